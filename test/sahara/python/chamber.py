"""An "instance": process, host name, file system and network of its own, and
in it what an image holds and what cloud-init does at the first boot.

Nothing in it reaches this machine's files; of the network it has one port,
that of the queue service.
"""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
USER = 'tester'

# What is in an image: the agent, its unit, a login user who may use sudo.
_IMAGE = """
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
hostname {name}
echo 127.0.0.1 {name} >>/etc/hosts
# A password that fits nothing: an account without one is locked for sshd.
useradd --create-home --shell /bin/bash --password '*' {user}
mkdir -p /home/{user}/.ssh
touch /home/{user}/.ssh/authorized_keys
chown -R {user}: /home/{user}/.ssh
echo '{user} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/{user}
cat >/usr/local/bin/sahara-agent <<'END'
#!/bin/sh
cd /
exec {agent} "$@"
END
# systemd's part: it starts the unit again whenever it ends.
cat >/usr/local/bin/systemctl <<'END'
#!/bin/sh
case " $* " in
*" sahara-agent.service "*)
  (while :; do sahara-agent run; sleep 1; done) </dev/null >>{shared}/{name}.log 2>&1 &
esac
END
chmod 755 /usr/local/bin/*
mkdir -p /var/lib/cloud/data /run/sshd
rm -f /run/cloud-init/instance-data.json
echo {uuid} >/var/lib/cloud/data/instance-id
printf 127.0.0.1 >/etc/hostname
"""

# A network of its own has Nova's metadata service, for this instance only.
_BOOT = """
ip address add 169.254.169.254/32 dev lo
{python} {here}/metadata_service.py {shared}/{uuid}.metadata &
{python} {here}/relay.py inside {port} {shared}/queue.sock &
until {python} -c 'import socket; socket.create_connection(("127.0.0.1", {port}))' 2>/dev/null; do :; done
bash {shared}/{name}.user-data
{more}
touch {shared}/{name}.booted
# As process 1 it is the parent of orphans, and must notice their end.
sleep infinity &
wait $!
"""


def _agent():
    """The words that start the agent: a program, or Node with its sources."""
    node = os.environ.get('CHAMBER_NODE', '/usr/bin/node')
    return os.environ.get(
        'CHAMBER_AGENT', '%s %s/agent/main.ts' % (node, PROJECT))


def why_impossible():
    """Why chambers cannot be made here; None when they can."""
    if os.geteuid() != 0:
        return 'namespaces need root'
    tried = subprocess.run(
        _unshare() + ['/bin/true'], stderr=subprocess.PIPE, text=True)
    return None if tried.returncode == 0 else tried.stderr.strip()


class Chambers:
    """All chambers of one test, in a directory that they share with it."""

    def __init__(self, shared, queue_url):
        self.shared = str(shared)
        self._port = urllib.parse.urlsplit(queue_url).port
        self._running = {}
        self._relay = subprocess.Popen(
            [sys.executable, str(HERE / 'relay.py'), 'outside',
             str(self._port), self.shared + '/queue.sock'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=dict(os.environ, RELAY_DIES_WITH_STDIN='1'))
        if not self._relay.stdout.readline():
            raise RuntimeError('the relay to %s did not start' % queue_url)

    def boot(self, name, uuid, user_data, own_network=True, more=''):
        """Starts one; its agent then enrols by itself."""
        pathlib.Path(self.shared, name + '.user-data').write_text(user_data)
        words = {
            'name': name, 'uuid': uuid, 'user': USER,
            'agent': _agent(),
            'shared': shlex.quote(self.shared), 'here': HERE,
            'python': sys.executable, 'port': self._port, 'more': more}
        boot = _BOOT if own_network else _BOOT.split('\n', 5)[5]
        script = (_IMAGE + boot).format(**words)
        output = open('%s/%s.console' % (self.shared, name), 'w')
        self._running[uuid] = subprocess.Popen(
            _unshare(own_network) + [str(HERE / 'enter_chamber.sh'),
                                     self.shared, '/bin/bash', '-c', script],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        output.close()

    def set_metadata(self, uuid, metadata):
        """As Nova sets a server's; the chamber sees it at once."""
        if uuid not in self._running:
            raise LookupError('there is no server %s' % uuid)
        path = pathlib.Path(self.shared, uuid + '.metadata')
        path.with_suffix('.new').write_text(json.dumps(metadata))
        path.with_suffix('.new').rename(path)

    def challenged(self):
        """UUIDs of the servers that have metadata."""
        return {path.stem for path in
                pathlib.Path(self.shared).glob('*.metadata')}

    def delete(self, uuid):
        """As Nova deletes a server: at once."""
        chamber = self._running.pop(uuid)
        chamber.send_signal(signal.SIGKILL)
        chamber.wait()

    def close(self):
        for uuid in list(self._running):
            self.delete(uuid)
        self._relay.stdin.close()
        self._relay.wait()
        self._relay.stdout.close()

    def report(self):
        """What all of them wrote, for a test that has failed."""
        texts = []
        for path in sorted(pathlib.Path(self.shared).iterdir()):
            if path.suffix in ('.log', '.console'):
                texts.append('--- %s\n%s' % (path.name,
                                             path.read_text()[-4000:]))
        return '\n'.join(texts)


def _unshare(own_network=True):
    kinds = ['--mount', '--uts', '--pid', '--ipc']
    # However the test ends, nothing of a chamber is left.
    return ['setpriv', '--pdeathsig', 'KILL', 'unshare', *kinds,
            *(['--net'] if own_network else []), '--fork', '--kill-child']
