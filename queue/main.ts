#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'

// What was compiled once is not compiled again, nor is the TypeScript compiler loaded for it, which takes some 20 MiB.
// Beside the code, for who may write there: who could change the one could change the other.
enableCompileCache(join(import.meta.dirname, '../.cache/compile'))
// Before the flags below: the young generation keeps the 8 MiB to which loading has grown it. With the first 2 MiB a claim of 64 KiB,
// where 64 are made at once, costs twice the processor time.
const { runQueueCommand } = await import('./run-queue-command.ts')

// Thousands of held requests outlive any young generation; one that grows for them only takes memory
// (25 KiB of resident memory each with V8's default, 16 with this, at the same speed).
setFlagsFromString('--semi-space-growth-factor=1')
// Bodies of 256 KiB outgrow so small a young generation while they are being served; they are collected with the old one,
// which V8 lets grow far beyond what is in use (300 MiB at the peak of a transfer by default, 210 with this).
setFlagsFromString('--heap-growing-percent=20')

process.exitCode = await runQueueCommand(process.argv, process)
