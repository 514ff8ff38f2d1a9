"""Sahara's own provisioning, scaling, job and deletion, with an agent in each
instance. Stood in for are Heat, Nova and Keystone; nothing of Sahara's.

Environment: CONTROLLER_SOCKET, QUEUE_URL, SHARED (a directory).
"""

import sahara_world

import os
import time
import unittest
from unittest import mock

from oslo_config import cfg
from oslo_messaging import conffixture
from sahara import conductor
from sahara import context
from sahara import main
from sahara.db import api as db_api
from sahara.plugins import base as plugins
from sahara.plugins.fake import plugin as fake_plugin
from sahara.service import ops
from sahara.service import trusts
from sahara.service.edp import job_manager
from sahara.service.edp.job_binaries import manager as job_binaries
from sahara.service.edp.spark import engine as spark_engine
from sahara.service.heat import heat_engine
from sahara.utils import cluster as cluster_utils
from sahara.utils import edp
from sahara.utils import remote
from sahara.utils import rpc
from sahara.utils.openstack import heat
from sahara.utils.openstack import neutron
from sahara.utils.openstack import nova
import chamber
import fake_cloud

PATIENCE_SECONDS = 120


class Provisioning(unittest.TestCase):

    def setUp(self):
        why = chamber.why_impossible()
        if why is not None:
            self.skipTest('no namespaces here: ' + why)
        self.chambers = chamber.Chambers(os.environ['SHARED'],
                                         os.environ['QUEUE_URL'])
        self.addCleanup(self.chambers.close)
        self.heat = fake_cloud.FakeHeat(self.chambers)
        self._stand_in(heat, 'client', lambda: self.heat)
        self._stand_in(nova, 'get_instance_info', fake_cloud.server_info)
        self._stand_in(nova, 'client',
                       lambda: fake_cloud.FakeNova(self.chambers))
        self._stand_in(neutron, 'get_private_network_cidrs', lambda _: [])
        for name in ('create_trust_for_cluster', 'use_os_admin_auth_token',
                     'delete_trust_from_cluster'):
            self._stand_in(trusts, name, lambda *_: None)
        self._stand_in(ops, '_refresh_health_for_cluster', lambda _: None)
        self._stand_in(heat_engine.HeatEngine, 'get_node_group_image_username',
                       lambda *_: chamber.USER)
        self._set_up_sahara()

    def test_from_nothing_to_active_and_back(self):
        self._provision()
        self._run_a_job()
        self._scale_out_and_in()
        self._terminate()

    def _set_up_sahara(self):
        cfg.CONF.set_override('connection', 'sqlite://', group='database')
        cfg.CONF.set_override('plugins', ['fake'])
        driver = sahara_world.set_up_driver(
            controller_socket=os.environ['CONTROLLER_SOCKET'],
            enrolment_wait=20)
        messaging = conffixture.ConfFixture(cfg.CONF)
        messaging.setUp()
        self.addCleanup(messaging.cleanUp)
        messaging.transport_url = 'fake://'
        rpc.setup('engine')
        main.validate_castellan_config()
        db_api.setup_db()
        self.addCleanup(db_api.drop_db)
        plugins.setup_plugins()
        job_binaries.setup_job_binaries()
        self.engine = heat_engine.HeatEngine()
        ops.setup_ops(self.engine)
        remote.setup_remote(driver, self.engine)
        context.set_ctx(context.Context(tenant_id='tenant', is_admin=True,
                                        tenant_name='tenant',
                                        service_catalog=fake_cloud.CATALOGUE))

    def _provision(self):
        groups = [self._group('master', ['namenode', 'jobtracker'], 1),
                  self._group('worker', ['datanode', 'tasktracker'], 2)]
        self.cluster_id = conductor.API.cluster_create(context.ctx(), {
            'name': 'lab', 'plugin_name': 'fake', 'hadoop_version': '0.1',
            'tenant_id': 'tenant', 'default_image_id': 'image',
            'neutron_management_network': 'net', 'node_groups': groups}).id
        # As Sahara's API has done before it casts to the engine.
        context.set_current_cluster_id(self.cluster_id)
        ops._provision_cluster(self.cluster_id)
        cluster = self._require_active()
        self.assertEqual('agent.1.0', cluster.sahara_info['remote'])
        self.assertEqual(3, len(cluster_utils.get_instances(cluster)))
        self.assertEqual(3, len(self._enrolled()))
        # They showed it: none is let in without.
        self.assertEqual(
            {instance.instance_id for instance in
             cluster_utils.get_instances(cluster)}, self.chambers.challenged())
        self.assertIn('"needsChallenge":true',
                      next(iter(self.heat.servers.values()))[2])
        for instance in cluster_utils.get_instances(cluster):
            with instance.remote() as r:
                # Its own names, and nobody else's.
                _, said = r.execute_command(
                    'hostname; hostname -f; cat test_data; ip route')
            self.assertIn(instance.fqdn(), said)
            self.assertIn('sp@m and pony', said)
            self.assertNotIn('default', said)

    def _run_a_job(self):
        ctx = context.ctx()
        raw = conductor.API.job_binary_internal_create(ctx, {
            'name': 'j.sh', 'tenant_id': 'tenant',
            'data': b'echo "$WORD" | tr a-z A-Z >$HOME/job; sleep 0.2\n'})
        binary = conductor.API.job_binary_create(ctx, {
            'name': 'j.sh', 'tenant_id': 'tenant',
            'url': 'internal-db://' + raw.id})
        job = conductor.API.job_create(ctx, {
            'name': 'j', 'type': edp.JOB_TYPE_SHELL, 'tenant_id': 'tenant',
            'mains': [binary.id]})
        run = conductor.API.job_execution_create(ctx, {
            'job_id': job.id, 'cluster_id': self.cluster_id,
            'tenant_id': 'tenant', 'info': {'status': 'PENDING'},
            'extra': {},
            'job_configs': {'job_execution_info': {}, 'configs': {},
                            'args': [],
                            'params': {'WORD': 'sahara', 'HOME': '/tmp',
                                       'PATH': '/usr/bin:/bin'}}})
        cluster = conductor.API.cluster_get(ctx, self.cluster_id)
        (master,) = self._instances_of(cluster, 'master')

        def shell_engine(_, cluster, job_type):
            # The fake plugin's own engine does not touch an instance.
            engine = spark_engine.SparkShellJobEngine(cluster)
            engine.master = master
            return engine
        self._stand_in(fake_plugin.FakePluginProvider, 'get_edp_engine',
                       shell_engine)
        ops._run_edp_job(run.id)
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            job_manager.update_job_status(run.id)
            status = conductor.API.job_execution_get(ctx,
                                                     run.id).info['status']
            if status != edp.JOB_STATUS_RUNNING:
                break
        self.assertEqual(edp.JOB_STATUS_SUCCEEDED, status)
        self.assertEqual('SAHARA\n', master.remote().read_file_from(
            '/tmp/job'))

    def _scale_out_and_in(self):
        before = dict(self.heat.servers)
        self._scale({'master': 1, 'worker': 3})
        self.assertEqual(4, len(self._enrolled()))
        # The instances that were there are the same ones.
        self.assertEqual([], self.heat.rebuilt)
        self.assertEqual(before, {
            name: server for name, server in self.heat.servers.items()
            if name in before})
        self._scale({'master': 1, 'worker': 1})
        self.assertEqual({made for made, _, _ in self.heat.servers.values()},
                         self._enrolled())
        self.assertEqual(2, len(self._enrolled()))

    def _terminate(self):
        ops.terminate_cluster(self.cluster_id)
        self.assertIsNone(conductor.API.cluster_get(context.ctx(),
                                                    self.cluster_id))
        self.assertEqual({}, self.heat.servers)
        with self.assertRaisesRegex(Exception, 'HTTP 404'):
            self._enrolled()

    def _scale(self, counts):
        cluster = conductor.API.cluster_get(context.ctx(), self.cluster_id)
        ops._provision_scaled_cluster(self.cluster_id, {
            group.id: counts[group.name] for group in cluster.node_groups})
        self._require_active()

    def _require_active(self):
        cluster = conductor.API.cluster_get(context.ctx(), self.cluster_id)
        self.assertEqual(
            ('Active', ''), (cluster.status, cluster.status_description or ''),
            self.chambers.report())
        return cluster

    def _enrolled(self):
        """UUIDs of the instances that the controller knows."""
        from sahara_remote_agent import deadline
        return {instance['instanceUuid'] for instance in
                remote.DRIVER._api.list_instances(
                    self.cluster_id, deadline.Deadline(30))}

    def _instances_of(self, cluster, name):
        return [instance for instance in cluster_utils.get_instances(cluster)
                if instance.node_group.name == name]

    def _group(self, name, processes, count):
        return {'name': name, 'flavor_id': '1', 'count': count,
                'node_processes': processes, 'image_username': chamber.USER,
                'image_id': 'image', 'tenant_id': 'tenant',
                'security_groups': [], 'auto_security_group': False,
                'volumes_per_node': 0, 'volumes_size': 0}

    def _stand_in(self, module, name, substitute):
        patch = mock.patch.object(module, name, substitute)
        patch.start()
        self.addCleanup(patch.stop)


if __name__ == '__main__':
    unittest.main()
