import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Every value of a database, whatever its type. */
const readAll = `
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = key
  local kind = redis.call('TYPE', key)['ok']
  if kind == 'hash' then found[#found + 1] = redis.call('HGETALL', key) end
  if kind == 'zset' then found[#found + 1] = redis.call('ZRANGE', key, 0, -1) end
  if kind == 'set' then found[#found + 1] = redis.call('SMEMBERS', key) end
  if kind == 'string' then found[#found + 1] = redis.call('GET', key) end
end
return found`

/** All that Zaqar has stored, of both its databases. */
export async function readRedis(port: number): Promise<string> {
  const read = async (database: string) => await evaluate(port, database, readAll)
  return (await Promise.all(['0', '1'].map(read))).join('\n')
}

/**
 * Lets all claims end `seconds` earlier: Zaqar's clock cannot be moved, but what it compares with it can.
 *
 * The claims themselves are left: for a claim that has run out stock Zaqar answers 503, whatever is in its record.
 */
export async function ageClaims(port: number, seconds: number): Promise<void> {
  const script = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key)['ok'] == 'hash' then
    local ends = redis.call('HGET', key, 'c.e')
    if ends then redis.call('HSET', key, 'c.e', string.format('%d', tonumber(ends) - ARGV[1])) end
  end
end`
  await evaluate(port, '0', script, String(seconds))
}

async function evaluate(
  port: number,
  database: string,
  script: string,
  ...scriptArguments: string[]
): Promise<string> {
  const options = ['-p', String(port), '-n', database, '--raw']
  const { stdout } = await run('redis-cli', [...options, 'EVAL', script, '0', ...scriptArguments], {
    encoding: 'latin1',
    maxBuffer: 256 * 1024 * 1024,
  })
  return stdout
}
