"""The object that Sahara and its plugins call to reach one instance.

What the methods take, return and raise is what the SSH driver's do
(sahara/utils/ssh_remote.py); docs/sahara.md lists the differences, all of them
repairs. ``timeout`` is in seconds; None means the option of its kind.
"""

import shlex
import time

from oslo_log import log as logging
from sahara import context
from sahara import exceptions
from sahara.i18n import _
from sahara.utils import remote

from sahara_remote_agent import command
from sahara_remote_agent import deadline as deadlines
from sahara_remote_agent import errors
from sahara_remote_agent import guest_files
from sahara_remote_agent import guest_os
from sahara_remote_agent import interactive
from sahara_remote_agent import login_account

LOG = logging.getLogger(__name__)

# Longer command text travels as a file (inlineLimitBytes of the protocol is
# 96 KiB for text, arguments and environment together).
INLINE_TEXT_BYTES = 64 * 1024


class AgentRemote(remote.Remote):
    """One instance. Opens nothing by itself: a ``with`` block costs nothing,
    and a call outside of one costs no more than inside."""

    def __init__(self, instance, commander, sessions, accounts, settings):
        self.instance = instance
        self._commander = commander
        self._sessions = sessions
        self._accounts = accounts
        self._settings = settings
        self._user = instance.node_group.image_username
        self._target = command.Target(instance.cluster_id,
                                      instance.instance_id.lower(),
                                      instance.instance_name)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    # Commands

    def execute_command(self, cmd, run_as_root=False, get_stderr=False,
                        raise_when_error=True, timeout=None):
        deadline = self._deadline(timeout, self._settings.timeout_common)
        text = _as_root(cmd) if run_as_root else cmd
        outcome = self._run(_shell_request(text, self._user,
                                           _('Executing "%s"') % cmd),
                            deadline)
        code = outcome.exit_code()
        stdout = _to_text(outcome.output('stdout'))
        stderr = _to_text(outcome.output('stderr'))
        if code and raise_when_error:
            raise errors.RemoteFailure(cmd, code, stdout, stderr)
        return (code, stdout, stderr) if get_stderr else (code, stdout)

    def execute_on_vm_interactive(self, cmd, matcher, timeout=None):
        """Runs ``cmd`` on a terminal; ``matcher.get_response(seen)`` gives
        what to type (or None), ``matcher.is_eof(seen)`` says it is done."""
        deadline = self._deadline(timeout,
                                  self._settings.timeout_interactive)
        interactive.converse(self._commander, self._target, self._user, cmd,
                             matcher, deadline)

    # Files

    def write_file_to(self, remote_file, data, run_as_root=False,
                      timeout=None):
        self._place({remote_file: data}, 'replace', run_as_root, timeout)

    def write_files_to(self, files, run_as_root=False, timeout=None):
        self._place(files, 'replace', run_as_root, timeout)

    def append_to_file(self, r_file, data, run_as_root=False, timeout=None):
        self._place({r_file: data}, 'append', run_as_root, timeout)

    def append_to_files(self, files, run_as_root=False, timeout=None):
        self._place(files, 'append', run_as_root, timeout)

    def prepend_to_file(self, r_file, data, run_as_root=False, timeout=None):
        self._place({r_file: data}, 'prepend', run_as_root, timeout)

    def prepend_to_files(self, files, run_as_root=False, timeout=None):
        self._place(files, 'prepend', run_as_root, timeout)

    def read_file_from(self, remote_file, run_as_root=False, timeout=None):
        deadline = self._file_deadline(timeout)
        account = self._account(deadline)
        outcome = self._run(guest_files.read_request(
            account, remote_file, run_as_root), deadline)
        content = outcome.output('content')
        try:
            return content.decode('utf-8')
        except UnicodeDecodeError:
            return content

    def replace_remote_string(self, remote_file, old_str, new_str,
                              timeout=None):
        self._edit(remote_file, 's,%s,%s,g' % (old_str, new_str), timeout)

    def replace_remote_line(self, remote_file, old_line_with_start_string,
                            new_line, timeout=None):
        self._edit(remote_file, 's/^%s.*/%s/' % (old_line_with_start_string,
                                                 new_line), timeout)

    # The operating system

    def get_os_distrib(self, timeout=None):
        return self._release(self._file_deadline(timeout))[0]

    def get_os_version(self, timeout=None):
        return self._release(self._file_deadline(timeout))[1]

    def get_python_version(self, timeout=None):
        return self._shell(guest_os.FIND_PYTHON, 'get_python_version',
                           self._file_deadline(timeout)).strip()

    def install_packages(self, packages, timeout=None):
        deadline = self._file_deadline(timeout)
        distribution, version = self._release(deadline)
        self._manage_packages(
            guest_os.install_command(distribution, version, packages),
            _('Package Installation'), distribution, deadline)

    def update_repository(self, timeout=None):
        deadline = self._file_deadline(timeout)
        distribution, version = self._release(deadline)
        self._manage_packages(
            guest_os.update_command(distribution, version),
            _('Repository Update'), distribution, deadline)

    # HTTP

    def get_http_client(self, port, info=None):
        """A ``requests.Session`` for ``http://<management_ip>:<port>/``, kept
        until ``close_http_session``. ``info`` is not needed here."""
        return self._sessions.open(self.instance, self._target, port)

    def close_http_session(self, port):
        if not self._sessions.close(self._target, port):
            raise exceptions.NotFoundException(
                {'host': self.instance.management_ip, 'port': port},
                _('Session for %(host)s:%(port)s not cached'))

    def get_neutron_info(self, instance=None):
        """What the SSH driver needs to find a way into the tenant's network.
        Here no way is needed, and so no token is in it."""
        instance = instance or self.instance
        return {'network': instance.cluster.neutron_management_network,
                'tenant': context.current().tenant_name,
                'host': instance.management_ip,
                'token': None}

    # What they are made of

    def _deadline(self, timeout, default):
        return deadlines.Deadline(timeout or default)

    def _file_deadline(self, timeout):
        return self._deadline(timeout, self._settings.timeout_files)

    def _run(self, request, deadline):
        started = time.monotonic()
        try:
            return self._commander.run(self._target, request, deadline)
        finally:
            # Not its description: commands may hold passwords.
            LOG.debug('%s on %s took %.1f seconds', request.operation['name'],
                      self._target.uuid, time.monotonic() - started)

    def _shell(self, text, description, deadline):
        """Runs shell text as the login user; its standard output."""
        request = _shell_request(text, self._user, description)
        return _require_success(request, self._run(request, deadline))

    def _place(self, files, placement, run_as_root, timeout):
        deadline = self._file_deadline(timeout)
        account = self._account(deadline)
        for path, data in files.items():
            content = data.encode() if isinstance(data, str) else bytes(data)
            try:
                self._run(guest_files.write_request(
                    account, path, content, placement, run_as_root), deadline)
            except errors.RemoteFailure as failure:
                in_place = guest_files.write_in_place_request(
                    account, path, content, placement, run_as_root, failure)
                if in_place is None:
                    raise
                _require_success(in_place, self._run(in_place, deadline))

    def _edit(self, path, expression, timeout):
        self._shell('sudo sed -i %s %s' % (shlex.quote(expression),
                                           shlex.quote(path)),
                    _('Editing file "%s"') % path,
                    self._file_deadline(timeout))

    def _release(self, deadline):
        return guest_os.parse_release(self._shell(
            guest_os.READ_RELEASE, 'get_os_distrib', deadline))

    def _manage_packages(self, text, feature, distribution, deadline):
        if text is None:
            raise exceptions.NotImplementedException(
                feature, _('%(fmt)s is not implemented for OS %(distrib)s') % {
                    'fmt': '%s', 'distrib': distribution})
        self._shell('sudo bash -c ' + shlex.quote(text), feature, deadline)

    def _account(self, deadline):
        return self._accounts.get(
            (self._target.uuid, self._user),
            lambda: login_account.parse_account(self._user, self._shell(
                login_account.READ_ACCOUNT, 'read the login account',
                deadline)))


def _shell_request(text, user, description):
    """Shell text as sshd runs it: through the login user's bash, in its home,
    with ``~/.bashrc`` (which bash reads when sshd starts it) in effect."""
    operation = {'name': 'exec', 'user': user}
    # Not through BASH_ENV: a .bashrc that starts a bash would start another
    # one with it, and so on without end. On the first line, so that bash's
    # complaints name the lines that the caller knows.
    text = '[ ! -r ~/.bashrc ] || . ~/.bashrc; :; ' + text
    if len(text.encode()) <= INLINE_TEXT_BYTES:
        operation['argv'] = ['/bin/bash', '-c', text]
        return command.Request(operation, description)
    operation['interpreter'] = ['/bin/bash']
    operation['contentIs'] = 'script'
    return command.Request(operation, description, text.encode())


def _require_success(request, outcome):
    """Standard output, as text, of a program that must end with 0."""
    stdout = _to_text(outcome.output('stdout'))
    if outcome.exit_code():
        raise errors.RemoteFailure(
            request.description, outcome.exit_code(), stdout,
            _to_text(outcome.output('stderr')))
    return stdout


def _as_root(text):
    """``$`` is not escaped: callers rely on ``$HOME`` and ``$(...)`` meaning
    the login user's, while backticks run as root."""
    for special in ('\\', '"', '`'):
        text = text.replace(special, '\\' + special)
    return 'sudo bash -c "%s"' % text


def _to_text(output):
    return output.decode('utf-8', 'replace')
