import { expect, test } from 'vitest'
import { explainOutOfReach } from './out-of-reach.ts'

test.for([
  'http://127.0.0.1:8888',
  'http://localhost:8888/x',
  'https://[::1]:8888',
  'http://0.0.0.0:8888',
  'http://[::]:8888',
])('guests elsewhere do not reach %s, and it is said what to set', (url) => {
  expect(explainOutOfReach(url)).toMatch(/`queue.advertisedUrl`.*`queue.embedded.host`/)
})

test.for(['https://zaqar.example:8888', 'http://10.0.0.1:8888', 'https://[2001:db8::1]'])(
  'nothing is said of %s',
  (url) => {
    expect(explainOutOfReach(url)).toBeUndefined()
  },
)
