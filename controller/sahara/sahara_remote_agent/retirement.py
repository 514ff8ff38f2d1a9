"""Takes away in the controller what Sahara has taken away: queues,
credentials and keys of instances and clusters that are gone.

What could not be done at once, for the controller was away, is owed: by a
file for each cluster, which outlives the engine, and it is tried again until
it is done.
"""

import os
import re
import threading
import time

from oslo_log import log as logging
from sahara import conductor
from sahara import context
from sahara.utils import cluster as cluster_utils

from sahara_remote_agent import deadline as deadlines

LOG = logging.getLogger(__name__)

CONTROLLER_SECONDS = 60
RETRY_SECONDS = 30
_CLUSTER_ID = re.compile('[0-9a-f-]{36}$')
# In any other state Sahara is at work on it: an instance that it does not
# know may be one that it is about to know.
_SETTLED = frozenset(('Active', 'Error'))


class Retirement:
    """One for the whole engine; opens and starts nothing before it is used."""

    def __init__(self, api, directory, state_directory):
        self._api = api
        self._directory = directory
        self._state_directory = state_directory
        self._owed = set()
        self._retrying = False
        self._looked = False

    def take_up(self):
        """Goes on with what an engine before this one owed. Cheap, so that
        each call may begin with it: the worker has no other beginning."""
        if self._looked:
            return
        self._looked = True
        try:
            self._owed.update(filter(_CLUSTER_ID.match,
                                     os.listdir(self._state_directory)))
        except FileNotFoundError:
            return
        except OSError as error:
            LOG.warning('Cannot see what is left to be retired: %s', error)
        self.retry_later()

    def retire_cluster(self, cluster):
        """The cluster is gone, with all its instances."""
        self._owe(cluster.id)
        self._api.delete_cluster(cluster.id,
                                 deadlines.Deadline(CONTROLLER_SECONDS))
        self._settle(cluster.id)

    def retire_missing(self, cluster):
        """Some of the cluster's instances may be gone. One without a UUID
        never enrolled, and one that Sahara knows stays."""
        self._owe(cluster.id)
        enrolled, deadline = self._list_enrolled(cluster.id)
        self._retire_missing(self._read(cluster.id), enrolled, deadline)
        self._settle(cluster.id)

    def _list_enrolled(self, cluster_id):
        """To be called before the cluster is read: the answer may be long in
        coming, and what enrols meanwhile is not in a cluster read before."""
        deadline = deadlines.Deadline(CONTROLLER_SECONDS)
        return self._api.list_instances(cluster_id, deadline), deadline

    def _retire_missing(self, cluster, enrolled, deadline):
        present = {instance.instance_id.lower()
                   for instance in cluster_utils.get_instances(cluster)}
        for instance in enrolled:
            uuid = (instance.get('instanceUuid') or '').lower()
            if uuid and uuid not in present:
                self._api.delete_instance(cluster.id, instance['name'],
                                          deadline)
        self._directory.forget_cluster(cluster.id)

    def _owe(self, cluster_id):
        self._owed.add(cluster_id)
        try:
            os.makedirs(self._state_directory, mode=0o700, exist_ok=True)
            with open(self._path(cluster_id), 'w'):
                pass
        except OSError as error:
            LOG.warning('What is to be retired of cluster %s would be '
                        'forgotten by a restart: %s', cluster_id, error)

    def _settle(self, cluster_id):
        self._directory.forget_cluster(cluster_id)
        self._owed.discard(cluster_id)
        try:
            os.unlink(self._path(cluster_id))
        except OSError:
            # Looked at once more by the next engine, which does no harm.
            pass

    def _path(self, cluster_id):
        return os.path.join(self._state_directory, cluster_id)

    def retry_later(self):
        """Tries what is owed again and again, beside everything else."""
        if self._owed and not self._retrying:
            self._retrying = True
            threading.Thread(target=self._retry, daemon=True).start()

    def _retry(self):
        # Of no project: Sahara lets an administrator see all clusters.
        context.set_ctx(context.Context(is_admin=True))
        try:
            while self._owed:
                for cluster_id in sorted(self._owed):
                    self._try_again(cluster_id)
                if self._owed:
                    time.sleep(RETRY_SECONDS)
        finally:
            self._retrying = False

    def _try_again(self, cluster_id):
        try:
            if self._read(cluster_id) is None:
                self._api.delete_cluster(
                    cluster_id, deadlines.Deadline(CONTROLLER_SECONDS))
            elif not self._retire_missing_if_settled(cluster_id):
                return
            self._settle(cluster_id)
            LOG.info('Cluster %s: what is gone is retired now', cluster_id)
        except Exception as error:
            LOG.warning('Cluster %s: what is gone cannot be retired yet: %s',
                        cluster_id, error)

    def _retire_missing_if_settled(self, cluster_id):
        enrolled, deadline = self._list_enrolled(cluster_id)
        cluster = self._read(cluster_id)
        if cluster is None or cluster.status not in _SETTLED:
            return False
        self._retire_missing(cluster, enrolled, deadline)
        return True

    def _read(self, cluster_id):
        return conductor.API.cluster_get(context.ctx(), cluster_id)
