"""Sahara's own SSH driver against a real sshd, to compare with.

The SSH driver starts ``_sahara-subprocess`` beside ``sys.argv[0]``, and always
goes to port 22; both are told here what they need.
"""

import pathlib
import socket
import sys

from oslo_config import cfg
from sahara.utils import ssh_remote

_SSHD = """
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/sahara_test_key
/usr/sbin/sshd -p {port} -f /dev/null -h /etc/ssh/sahara_test_key \\
  -o ListenAddress=127.0.0.1 -o UsePAM=no -o PidFile=none \\
  -o Subsystem='sftp /usr/lib/openssh/sftp-server'
"""


def start_sshd(shared):
    """The lines for a chamber that start it, on a port that is free now."""
    with socket.create_server(('127.0.0.1', 0)) as probe:
        port = probe.getsockname()[1]
    pathlib.Path(shared, 'sshd.port').write_text(str(port))
    pathlib.Path(shared, '_sahara-subprocess').write_text(
        _SUBPROCESS.format(port=port))
    return _SSHD.format(port=port)


def read_port(shared):
    sys.argv[0] = str(pathlib.Path(shared, 'sahara-engine'))
    return int(pathlib.Path(shared, 'sshd.port').read_text())


_SUBPROCESS = """
import paramiko
original = paramiko.SSHClient.connect
paramiko.SSHClient.connect = lambda self, host, **more: original(
    self, host, port={port}, **more)
from sahara.cli import sahara_subprocess
sahara_subprocess.main()
"""


def get_remote(instance, private_key, port):
    driver = ssh_remote.SshRemoteDriver()
    driver.setup_remote(None)
    cluster = instance.cluster
    cluster.management_private_key = private_key
    cluster.get_proxy_gateway_node = lambda: None
    cfg.CONF.set_override('proxy_command', '')
    cfg.CONF.set_override('use_namespaces', False)
    return driver.get_remote(instance)
