/** uwsgi with `workers` processes that never outlive their master. `application` says what is served. */
export function uwsgiCommand(
  port: number,
  workers: number,
  application: readonly string[],
): readonly string[] {
  return [
    '/usr/bin/uwsgi_python3',
    `--http-socket=127.0.0.1:${port}`,
    `--processes=${workers}`,
    '--buffer-size=65535',
    // It closes after each reply without saying so: a client that keeps the connection then loses its next request.
    '--add-header=Connection: close',
    '--master',
    '--lazy-apps',
    '--enable-threads',
    '--die-on-term',
    '--no-orphans',
    ...application,
  ]
}
