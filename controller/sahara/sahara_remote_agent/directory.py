"""Which of the controller's instances is Nova's server so-and-so.

Sahara knows an instance by Nova's UUID; its agent tells the controller the
same UUID when it enrols. One listing serves all who wait for instances of
the same cluster.
"""

import collections
import threading
import time

from oslo_log import log as logging

from sahara_remote_agent import deadline as deadlines
from sahara_remote_agent import errors

LOG = logging.getLogger(__name__)

# How old a listing may be for a call that waits for an instance to enrol.
LISTING_SECONDS = 1.0
CLUSTERS_KEPT = 1024


class InstanceDirectory:
    """Finds instances, and waits for those that have not enrolled yet."""

    def __init__(self, api, challenges, enrolment_wait, enrolment_warning):
        self._api = api
        self._challenges = challenges
        self._enrolment_wait = enrolment_wait
        self._enrolment_warning = enrolment_warning
        self._clusters = collections.OrderedDict()

    def find(self, target, deadline):
        """The controller's name of the instance.

        :raises InstanceUnreachable: it has not enrolled in time.
        :raises InstanceAmbiguous: several instances say they are this one.
        :raises ChallengeImpossible: it cannot enrol, for Nova's sake.
        """
        listing = self._listing_of(target.cluster)
        wait = deadlines.Deadline(min(self._enrolment_wait,
                                      deadline.remaining()))
        while True:
            known = listing.by_uuid.get(target.uuid)
            if known is not None and known['state'] != 'expected':
                listing.awaited_since.pop(target.uuid, None)
                return known['name']
            if not (listing.was_read_within(LISTING_SECONDS) or
                    deadline.is_over()):
                listing.read(self._api, target.cluster, deadline)
            elif target.uuid in listing.ambiguous:
                raise errors.InstanceAmbiguous(
                    target, listing.ambiguous[target.uuid])
            else:
                if listing.problem is None:
                    self._challenges.place(target, deadline)
                if wait.is_over():
                    self._warn_when_late(listing, target)
                    raise _not_enrolled(target, listing)
                time.sleep(min(LISTING_SECONDS, wait.remaining() + 0.01))

    def forget(self, target):
        """The controller does not know it (any longer): ask again."""
        listing = self._clusters.get(target.cluster)
        if listing is not None:
            listing.by_uuid.pop(target.uuid, None)

    def forget_cluster(self, cluster):
        self._clusters.pop(cluster, None)

    def _listing_of(self, cluster):
        listing = self._clusters.get(cluster)
        if listing is None:
            listing = self._clusters[cluster] = _Listing()
            if len(self._clusters) > CLUSTERS_KEPT:
                self._clusters.popitem(last=False)
        return listing

    def _warn_when_late(self, listing, target):
        now = time.monotonic()
        since = listing.awaited_since.setdefault(target.uuid, now)
        if now - since < self._enrolment_warning:
            return
        listing.awaited_since[target.uuid] = now
        LOG.warning('%s', _not_enrolled(target, listing))


class _Listing:
    """What the controller said last about the instances of one cluster."""

    def __init__(self):
        self.by_uuid = {}
        # UUID -> the names of the instances that claim it.
        self.ambiguous = {}
        self.awaited_since = {}
        self.problem = None
        self._read_at = None
        self._lock = threading.Lock()

    def was_read_within(self, seconds):
        return (self._read_at is not None and
                time.monotonic() - self._read_at < seconds)

    def read(self, api, cluster, deadline):
        """Asks the controller, unless somebody else has done so while this
        call waited for its turn."""
        if not self._lock.acquire(timeout=deadline.remaining() + 0.001):
            return
        try:
            if self.was_read_within(LISTING_SECONDS):
                return
            self._take(api.list_instances(cluster, deadline))
        except errors.ControllerRefused as refusal:
            if refusal.status != 404:
                raise
            self._take([])
            self.problem = ('the controller does not know this cluster; was '
                            'it created with another remote driver?')
        finally:
            self._lock.release()

    def _take(self, instances):
        self.problem = None
        claims = collections.defaultdict(list)
        for instance in instances:
            if instance.get('instanceUuid'):
                claims[instance['instanceUuid'].lower()].append(instance)
        # Which of several is the right one cannot be told from here.
        self.ambiguous = {
            uuid: sorted(instance['name'] for instance in claimants)
            for uuid, claimants in claims.items() if len(claimants) > 1}
        self.by_uuid = {
            uuid: claimants[0] for uuid, claimants in claims.items()
            if len(claimants) == 1}
        self._read_at = time.monotonic()


def _not_enrolled(target, listing):
    known = listing.by_uuid.get(target.uuid, {})
    alerts = known.get('alerts') or [{}]
    why = listing.problem or alerts[0].get('message') or (
        'its agent has not said hello; see docs/sahara.md, "An instance '
        'does not enrol"')
    return errors.InstanceUnreachable(
        'reach instance %s (%s) of cluster %s' % (
            target.name, target.uuid, target.cluster),
        stderr=why, state='unreachable', reason_code='not-enrolled')
