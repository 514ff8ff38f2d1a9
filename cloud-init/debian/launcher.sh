#!/bin/sh
# The agent brings its own Node. Small heap spaces: an agent that waits needs little, and a guest's memory is the tenant's.
# With --expose-gc it gives back, once, what only its start needed. The filter names a function that there is not, so that
# V8 compiles none of the HTTP parser (WebAssembly) a second time, better, after some ten answers: 4.7 MiB for no gain. The runner that it starts has flags of its own.
# The cache holds the compiled program, so that the next start is faster; for root alone, and an agent without it works too.
[ "$(id -u)" != 0 ] || export NODE_COMPILE_CACHE=/var/cache/sahara-agent
exec /usr/lib/sahara-agent/node --max-semi-space-size=2 --v8-pool-size=1 --expose-gc --no-warnings \
  --wasm-tier-up-filter=1000000 \
  /usr/lib/sahara-agent/agent-main.js "$@"
