"""A shell on a terminal of the instance, and a matcher that answers it."""

import codecs

from sahara import exceptions

from sahara_remote_agent import command
from sahara_remote_agent import errors

INPUT_PIECE_BYTES = 64 * 1024
# A prompt is at the end of what appeared; a matcher is shown no more.
SEEN_CHARACTERS = 64 * 1024


def converse(commander, target, user, text, matcher, deadline):
    """Types ``text`` into a login shell, and what ``matcher`` says to what
    appears, until ``matcher.is_eof`` is satisfied. Then the shell is ended.

    :raises TimeoutException: the matcher was not satisfied in time.
    :raises RemoteFailure: the shell ended before.
    """
    request = command.Request(
        {'name': 'exec', 'argv': ['/bin/bash', '-l'], 'user': user,
         'pty': True, 'stdin': 'open', 'env': {'TERM': 'vt100'}},
        'Executing interactively "%s"' % text)
    try:
        with commander.started(target, request, deadline) as command_id:
            _type_and_match(commander.api, command_id, text, matcher,
                            deadline)
            # The only way to end a shell that waits for more.
            raise _Satisfied()
    except _Satisfied:
        return


def _type_and_match(api, command_id, text, matcher, deadline):
    keyboard = _Keyboard(api, command_id, deadline)
    decoder = codecs.getincrementaldecoder('utf-8')('replace')
    keyboard.type(text + '\n')
    seen = ''
    if matcher.is_eof(seen):
        return
    for piece in api.follow_output(command_id, 'stdout', 0, deadline):
        seen = (seen + decoder.decode(piece))[-SEEN_CHARACTERS:]
        response = matcher.get_response(seen)
        if response is not None:
            keyboard.type(response + '\n')
            seen = ''
        if matcher.is_eof(seen):
            return
    if deadline.is_over():
        raise exceptions.TimeoutException(deadline.timeout,
                                          'Executing interactively')
    raise errors.RemoteFailure(
        'Executing interactively "%s"' % text,
        stderr='the shell ended before the matcher was satisfied')


class _Keyboard:
    """Standard input of the shell; each piece is sent when the one before has
    been taken."""

    def __init__(self, api, command_id, deadline):
        self._api = api
        self._id = command_id
        self._deadline = deadline
        self._offset = 0

    def type(self, text):
        typed = text.encode()
        for start in range(0, len(typed), INPUT_PIECE_BYTES):
            piece = typed[start:start + INPUT_PIECE_BYTES]
            record = self._api.send_input(self._id, self._offset, piece,
                                          False, self._deadline)
            self._offset += len(piece)
            self._require_taken(record)

    def _require_taken(self, record):
        while not record['ended'] and not self._deadline.is_over():
            record = self._api.wait_for_command(
                record['id'], self._deadline.remaining(), self._deadline)
        if record['ended'] and record['state'] != 'succeeded':
            reason = (record.get('result') or {}).get('reason') or {}
            raise errors.RemoteFailure(
                'Typing into a shell', stderr=reason.get('message'),
                state=record['state'], reason_code=reason.get('code'))


class _Satisfied(Exception):
    """Leaves the ``with`` block of a shell, which ends the shell."""
