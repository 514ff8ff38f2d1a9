import { expect, test } from 'vitest'
import { interpreterOf } from './read-script.ts'

test.for([
  ['echo hello\n', null],
  ['', null],
  ['#!\n', null],
  [' #!/bin/sh\n', null],
  ['#!/bin/sh', ['/bin/sh']],
  ['#!/bin/sh\necho\n', ['/bin/sh']],
  ['#! /bin/bash -eu \r\n', ['/bin/bash', '-eu']],
  ['#!/usr/bin/env -S python3 -u\n', ['/usr/bin/env', '-S python3 -u']],
] as const)('the script %j asks for %j', ([script, interpreter]) => {
  expect(interpreterOf(Buffer.from(script))).toEqual(interpreter)
})
