"""One command on one instance: post it, wait for its end, fetch its output.

However a call ends before its command does (the call's own time-out, an
``eventlet.Timeout`` around it, a killed green thread), the command is
cancelled on the instance: nothing goes on behind the caller's back.
"""

import base64
import collections
import contextlib
import hashlib
import time
import uuid

from oslo_log import log as logging
from sahara import exceptions

from sahara_remote_agent import deadline as deadlines
from sahara_remote_agent import errors

LOG = logging.getLogger(__name__)

# Larger content is stored first (POST /v1/contents).
INLINE_CONTENT_BYTES = 128 * 1024
GRACE_SECONDS = 5
CANCEL_SECONDS = 5
# For the output of a command that ended in time, however late that was.
OUTPUT_SECONDS = 60
OUTPUT_RETRY_SECONDS = 0.1
MIN_TIMEOUT_SECONDS = 0.001

# An instance as Sahara knows it: cluster id, Nova's UUID (lower case), name.
Target = collections.namedtuple('Target', 'cluster uuid name')


class Commander:
    """Runs commands on instances; one for the whole engine."""

    def __init__(self, api, directory, slots, output_limit):
        self.api = api
        self._directory = directory
        self._slots = slots
        self._output_limit = output_limit

    def run(self, target, request, deadline):
        """Runs ``request`` to its end.

        :returns: an ``Outcome``; a command whose program failed is one, too.
        :raises TimeoutException: its time was over, and it was cancelled.
        :raises RemoteFailure: it ended without a word of its own (refused,
            interrupted, lost, ...), or could not be brought to the instance.
        """
        with self.started(target, request, deadline) as command_id:
            record = self.wait(command_id, request, deadline)
        outcome = Outcome(record, request)
        outcome.require_own_end(deadline)
        outcome.require_output_within(self._output_limit)
        for stream in outcome.announced:
            outcome.streams[stream] = self._fetch(command_id, stream,
                                                  outcome, deadline)
        return outcome

    @contextlib.contextmanager
    def started(self, target, request, deadline):
        """Posts it and yields its id; it is cancelled when the ``with`` block
        is left by any exception."""
        # First find it, then take a slot: instances that are still booting
        # must not keep others waiting.
        self._directory.find(target, deadline)
        with self._slots.slot(target.cluster, deadline) as granted:
            if not granted:
                raise exceptions.TimeoutException(deadline.timeout,
                                                  request.description)
            command_id = self._post(target, request, deadline)
            try:
                yield command_id
            except BaseException:
                self._cancel(command_id)
                raise

    def wait(self, command_id, request, deadline):
        """The record of the command, once it has ended."""
        while not deadline.is_over():
            record = self.api.wait_for_command(
                command_id, deadline.remaining(), deadline)
            if record['ended']:
                return record
        raise exceptions.TimeoutException(deadline.timeout,
                                          request.description)

    def _post(self, target, request, deadline):
        """Posts it, and returns its id."""
        body = self._new_command(request, deadline)
        key = str(uuid.uuid4())
        try:
            return self._post_as(target, body, key, deadline)
        except errors.RemoteFailure:
            raise
        except BaseException:
            # Interrupted, and it may have arrived. Posting it again under
            # the same key says which one it is.
            self._cancel_by_key(target, body, key)
            raise

    def _post_as(self, target, body, key, deadline):
        for attempt in (1, 2):
            name = self._directory.find(target, deadline)
            try:
                return self.api.post_command(target.cluster, name, body, key,
                                             deadline)['id']
            except errors.ControllerRefused as refusal:
                self._directory.forget(target)
                if refusal.status != 404 or attempt == 2:
                    raise

    def _cancel_by_key(self, target, body, key):
        try:
            self._cancel(self._post_as(target, body, key,
                                       deadlines.Deadline(CANCEL_SECONDS)))
        except errors.RemoteFailure as failure:
            LOG.warning('Could not cancel a command for %s: %s', target.name,
                        failure)

    def _cancel(self, command_id):
        """A controller that does not answer is no reason to wait, for the
        command's own time-out ends it, too."""
        try:
            self.api.cancel_command(command_id, GRACE_SECONDS,
                                    deadlines.Deadline(CANCEL_SECONDS))
        except errors.RemoteFailure as failure:
            LOG.warning('Could not cancel command %s: %s', command_id,
                        failure)

    def _new_command(self, request, deadline):
        seconds = max(deadline.remaining(), MIN_TIMEOUT_SECONDS)
        body = {'operation': request.operation, 'timeoutSeconds': seconds,
                'startWithinSeconds': seconds, 'graceSeconds': GRACE_SECONDS,
                'idempotent': request.idempotent}
        if request.content is not None:
            body['content'] = self._place_content(request.content, deadline)
        return body

    def _place_content(self, content, deadline):
        if len(content) <= INLINE_CONTENT_BYTES:
            return {'bytes': encode_bytes(content)}
        return {'sha256': self.api.store_content(content, deadline)}

    def _fetch(self, command_id, stream, outcome, deadline):
        """All bytes of one stream, compared with what the agent announced."""
        size, digest = outcome.announced[stream]
        limit = deadlines.Deadline(max(deadline.remaining(), OUTPUT_SECONDS))
        pieces, have = [], 0
        while have < size:
            piece = self.api.read_output(command_id, stream, have, limit,
                                         size - have)
            pieces.append(piece)
            have += len(piece)
            if have > size:
                raise outcome.failure('there is more of its output than the '
                                      'agent announced')
            if not piece:
                # The end of a command can arrive before its last output.
                if limit.is_over():
                    raise outcome.failure('%d of %d bytes of its output did '
                                          'not arrive' % (size - have, size))
                time.sleep(OUTPUT_RETRY_SECONDS)
        whole = pieces[0] if len(pieces) == 1 else b''.join(pieces)
        if hashlib.sha256(whole).hexdigest() != digest:
            raise outcome.failure('its output does not have the digest that '
                                  'the agent announced')
        return whole


class Request:
    """What is asked of an instance.

    ``description`` names it in errors; ``content`` are the bytes that the
    operation needs, or None.
    """

    def __init__(self, operation, description, content=None,
                 idempotent=False):
        self.operation = operation
        self.description = description
        self.content = content
        self.idempotent = idempotent


class Outcome:
    """How a command ended, and what it printed."""

    def __init__(self, record, request):
        self._request = request
        self.state = record['state']
        self.result = record.get('result') or {}
        self.answer = self.result.get('answer') or {}
        self.streams = {}
        self.announced = {
            name: (stream['size'] - stream.get('droppedBytes', 0),
                   stream['sha256'])
            for name, stream in (self.result.get('streams') or {}).items()
            if stream['size']}

    def output(self, stream):
        return self.streams.get(stream, b'')

    def exit_code(self):
        """The program's exit code; -1 when a signal ended it, None when
        there was no program."""
        if 'exitCode' in self.result:
            return self.result['exitCode']
        return -1 if 'signal' in self.result else None

    def failure(self, why):
        """The error for a caller who asked for something else."""
        reason = self.result.get('reason') or {}
        return errors.RemoteFailure(
            self._request.description, self.exit_code(), stderr=why,
            state=self.state, reason_code=reason.get('code'))

    def require_own_end(self, deadline):
        """Raises unless the operation itself came to an end, good or bad,
        and all that it printed was kept."""
        if self.state in ('timed-out', 'expired'):
            raise exceptions.TimeoutException(deadline.timeout,
                                              self._request.description)
        if self.state != 'succeeded' and self.exit_code() is None:
            raise self.failure(self._why())
        if self.state not in ('succeeded', 'failed'):
            raise self.failure(self._why())
        dropped = sum(stream.get('droppedBytes', 0) for stream in
                      (self.result.get('streams') or {}).values())
        if dropped:
            raise self.failure('%d bytes of its output were not kept: it '
                               'printed too much' % dropped)

    def require_output_within(self, limit):
        """Raises before anything is fetched: the engine holds the output of
        each call in its memory."""
        size = sum(size for size, _ in self.announced.values())
        if size > limit:
            raise errors.OutputTooLarge(self._request.description,
                                        self.exit_code(), size, limit)

    def _why(self):
        reason = self.result.get('reason') or {}
        rule = self.result.get('rule')
        return 'it ended as "%s": %s%s' % (
            self.state, reason.get('message', 'no reason was given'),
            ' (rule %s)' % rule if rule else '')


def encode_bytes(content):
    """Base64url without padding, as in protocol/messages/wire-types.ts."""
    return base64.urlsafe_b64encode(content).rstrip(b'=').decode()
