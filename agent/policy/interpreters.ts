/**
 * Programs that run whatever their words, or their input, tell them to. No list of these is ever complete (`find -exec`,
 * `tar --to-command`, editors, ...): it keeps an open pattern from becoming a shell by accident, and is no substitute for
 * patterns without wildcards in the program's place.
 */
const interpreters: ReadonlySet<string> = new Set(
  [
    'sh ash bash csh dash elvish fish ksh mksh nu oksh posh pwsh rbash tcsh yash zsh',
    'awk bpftrace deno bun expect gawk gdb groovy guile irb java jjs jshell julia lua luajit m4 make mawk nawk node nodejs',
    'perl php pypy python R Rscript ruby scala sed spark-shell pyspark tclsh wish',
    'busybox toybox',
    'at batch capsh chroot chrt cpulimit crontab doas env fakeroot find firejail flock ionice ltrace nice nohup nsenter',
    'parallel pkexec prlimit rlwrap run-parts runcon runuser schroot script screen setarch setpriv setsid sg ssh sshpass',
    'start-stop-daemon stdbuf strace su sudo sudoedit systemd-run taskset time timeout tmux unshare watch xargs',
    'ed emacs ex less more nano rvim vi view vim vimdiff',
    'ld.so ld-linux.so ld-linux-x86-64.so ld-linux-aarch64.so',
  ].flatMap((line) => line.split(' ')),
)

/** Whether a program of this name (the last part of its path) is an interpreter; `python3.12` is one like `python`. */
export function isInterpreter(name: string): boolean {
  return interpreters.has(name) || interpreters.has(name.replace(/-?[0-9][0-9.]*$/, ''))
}
