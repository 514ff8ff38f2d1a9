"""What callers may meet.

The SSH driver lets callers see ``SubprocessException``, while the image code
expects ``RemoteCommandException``. What is raised here is both, so that every
``except`` in Sahara and its plugins goes on to work.
"""

from sahara import exceptions


class RemoteFailure(exceptions.RemoteCommandException,
                    exceptions.SubprocessException):
    """A call to an instance failed: its exit code, or what went wrong.

    ``state`` is how the controller says it ended (``failed``, ``refused``,
    ``lost``, ...), ``reason_code`` a stable word for why.
    """

    code = 'REMOTE_COMMAND_FAILED'

    def __init__(self, cmd, ret_code=None, stdout=None, stderr=None,
                 state='failed', reason_code=None):
        self.state = state
        self.reason_code = reason_code
        super().__init__(cmd, ret_code, stdout, stderr)


class InstanceUnreachable(RemoteFailure):
    """No agent of this instance is known to the controller (yet)."""

    code = 'INSTANCE_NOT_ENROLLED'


class InstanceAmbiguous(RemoteFailure):
    """Several instances claim the same UUID, so that none of them is sent
    anything."""

    code = 'INSTANCE_AMBIGUOUS'

    def __init__(self, target, names):
        super().__init__(
            'reach instance %s (%s) of cluster %s' % (
                target.name, target.uuid, target.cluster),
            stderr='the instances %s all claim this UUID; find out which one '
                   'is right, and have the controller forget the others' % (
                       ', '.join(names)),
            state='unreachable', reason_code='uuid-ambiguous')


class ChallengeImpossible(RemoteFailure):
    """Nova did not take what an instance must find in its metadata, so that
    it cannot enrol."""

    code = 'CHALLENGE_IMPOSSIBLE'

    def __init__(self, target, error):
        super().__init__(
            'reach instance %s (%s) of cluster %s' % (
                target.name, target.uuid, target.cluster),
            stderr='its challenge could not be put into the metadata of its '
                   'server (%s: %s)' % (type(error).__name__, error),
            state='unreachable', reason_code='challenge-impossible')


class OutputTooLarge(RemoteFailure):
    """The command ended by itself, with more output than the engine takes
    into its memory."""

    code = 'OUTPUT_TOO_LARGE'

    def __init__(self, what, exit_code, size, limit):
        super().__init__(
            what, exit_code, stderr='its output has %d bytes, and at most %d '
            'are fetched (output_limit_bytes in sahara.conf)' % (size, limit),
            reason_code='output-too-large')


class ControllerUnavailable(RemoteFailure):
    """The controller gave no answer until the call's time was over."""

    code = 'CONTROLLER_UNAVAILABLE'


class ControllerRefused(RemoteFailure):
    """The controller answered with an error; ``reason_code`` is one of the
    codes in docs/errors.md."""

    code = 'CONTROLLER_REFUSED'

    def __init__(self, what, status, reason_code, detail):
        self.status = status
        super().__init__(what, stderr='%s (%s, HTTP %d)' % (
            detail, reason_code, status), state='failed',
            reason_code=reason_code)


class TokenUnusable(RemoteFailure):
    """The token for the controller cannot be read, or could be by others."""

    code = 'CONTROLLER_TOKEN_UNUSABLE'

    def __init__(self, path, why):
        super().__init__('read the token for the controller',
                         stderr='%s: %s' % (path, why), state='unavailable',
                         reason_code='token-unusable')


class UserDataImpossible(exceptions.SaharaException):
    """Instances would come up without an agent, so none is made."""

    code = 'AGENT_USER_DATA_IMPOSSIBLE'

    def __init__(self, message):
        super().__init__('user-data for the agent cannot be made: %s'
                         % message)
