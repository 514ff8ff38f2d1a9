"""User-data for a cluster, and the end of instances and clusters, with
Sahara's own database and its own text around ours."""

import sahara_world

import os
import subprocess
import tempfile
import unittest
from unittest import mock

from oslo_config import cfg
from sahara import conductor
from sahara import context
from sahara.db import api as db_api
from sahara.service.heat import heat_engine
import eventlet
import fake_controller

from sahara_remote_agent import errors
from sahara_remote_agent import options
from sahara_remote_agent import retirement


class Clusters(unittest.TestCase):

    def setUp(self):
        self.controller = fake_controller.FakeController()
        self.addCleanup(self.controller.close)
        cfg.CONF.set_override('connection', 'sqlite://', group='database')
        sahara_world.set_up_driver()
        db_api.setup_db()
        self.addCleanup(db_api.drop_db)
        context.set_ctx(context.Context(tenant_id='tenant', is_admin=True))
        self.cluster = conductor.API.cluster_create(context.ctx(), {
            'name': 'c', 'plugin_name': 'fake', 'hadoop_version': '0.1',
            'tenant_id': 'tenant', 'status': 'Active', 'node_groups': [{
                'name': 'worker', 'flavor_id': '1', 'count': 0,
                'image_username': 'ubuntu', 'node_processes': [],
                'tenant_id': 'tenant'}]})
        context.set_current_cluster_id(self.cluster.id)
        self.engine = heat_engine.HeatEngine()
        state = tempfile.TemporaryDirectory()
        self.addCleanup(state.cleanup)
        self.state = state.name + '/made-when-needed'
        for name, seconds in (('RETRY_SECONDS', 0.1),
                              ('CONTROLLER_SECONDS', 60)):
            patch = mock.patch.object(retirement, name, seconds)
            patch.start()
            self.addCleanup(patch.stop)
        self.driver = sahara_world.set_up_driver(
            controller_socket=self.controller.socket_path, enrolment_wait=0,
            state_directory=self.state)
        context.set_ctx(context.Context(tenant_id='tenant', is_admin=True))
        context.set_current_cluster_id(self.cluster.id)

    def test_keep_the_user_data_that_they_were_born_with(self):
        # Heat rebuilds every server whose user-data changes.
        first = self.driver.get_userdata_template()
        again = sahara_world.set_up_driver(
            controller_socket=self.controller.socket_path)
        context.set_ctx(context.Context(tenant_id='tenant', is_admin=True))
        context.set_current_cluster_id(self.cluster.id)
        self.assertEqual(first, again.get_userdata_template())
        self.assertEqual(1, self.controller.user_data_made)

    def test_do_not_show_their_secret_in_sahara_s_api(self):
        self.driver.get_userdata_template()
        shown = conductor.API.cluster_get(context.ctx(), self.cluster)
        self.assertNotIn('echo', str(shown.to_dict()))

    def test_without_a_name_in_the_context_get_no_user_data(self):
        context.current().resource_uuid = 'none, job_execution: 7'
        with self.assertRaises(errors.UserDataImpossible):
            self.driver.get_userdata_template()

    def test_without_a_controller_get_no_user_data(self):
        os.unlink(self.controller.socket_path)
        from sahara_remote_agent import user_data
        self.addCleanup(setattr, user_data, 'CONTROLLER_SECONDS',
                        user_data.CONTROLLER_SECONDS)
        user_data.CONTROLLER_SECONDS = 0.2
        with self.assertRaises(errors.UserDataImpossible):
            self.driver.get_userdata_template()

    def test_get_user_data_that_survives_sahara_s_substitution(self):
        script = self._script()
        self.assertIn('echo $PATH 1', script)
        self.assertIn('/home/ubuntu//.ssh/authorized_keys', script)
        subprocess.run(['bash', '-n'], input=script, text=True, check=True)

    def test_can_be_made_without_the_management_key(self):
        cfg.CONF.set_override('remove_management_key', True,
                              group=options.GROUP)
        self.addCleanup(cfg.CONF.clear_override, 'remove_management_key',
                        group=options.GROUP)
        key = conductor.API.cluster_get(
            context.ctx(), self.cluster).management_public_key
        with tempfile.TemporaryDirectory() as home:
            os.mkdir(home + '/.ssh')
            keys = home + '/.ssh/authorized_keys'
            with open(keys, 'w') as authorized:
                authorized.write('ssh-rsa AAAA mine\n')
            script = self._script().replace('/home/ubuntu', home)
            subprocess.run(['bash'], check=True, text=True,
                           input=script.replace('sed ', 'true '))
            with open(keys) as authorized:
                left = authorized.read()
        self.assertIn('mine', left)
        self.assertNotIn(key, left)

    def test_that_are_shut_down_are_deleted_in_the_controller(self):
        self.controller.enrol(self.cluster.id, 'u-1', 'a')
        engine = sahara_world.QuietEngine()
        self._watch(engine)
        engine.shutdown_cluster(self.cluster)
        self.assertNotIn(self.cluster.id, self.controller.clusters)
        engine.shutdown_cluster(self.cluster)

    def test_that_are_scaled_lose_what_sahara_does_not_know(self):
        (group,) = self.cluster.node_groups
        conductor.API.instance_add(context.ctx(), group, {
            'instance_id': 'U-1', 'instance_name': 'stays'})
        self.controller.enrol(self.cluster.id, 'u-1', 'stays')
        self.controller.enrol(self.cluster.id, 'u-2', 'goes')
        self.controller.enrol(self.cluster.id, None, 'not-yet', 'expected')
        engine = sahara_world.QuietEngine()
        self._watch(engine)
        engine.scale_cluster(self.cluster, {})
        self.assertEqual({'stays', 'not-yet'}, set(
            self.controller.instances[self.cluster.id]))

    def _script(self):
        cluster = conductor.API.cluster_get(context.ctx(), self.cluster)
        from sahara.utils import remote
        remote.DRIVER = self.driver
        return self.engine._generate_user_data_script(
            cluster.node_groups[0], 'worker-1')

    def test_that_go_while_the_controller_is_away_are_retired_later(self):
        self.controller.enrol(self.cluster.id, 'u-1', 'a')
        retirement.CONTROLLER_SECONDS = 0.2
        hidden = self.controller.socket_path + '.hidden'
        os.rename(self.controller.socket_path, hidden)
        # As Sahara has it from the order on.
        conductor.API.cluster_update(context.ctx(), self.cluster,
                                     {'status': 'Deleting'})
        engine = sahara_world.QuietEngine()
        self._watch(engine)
        engine.shutdown_cluster(self.cluster)
        conductor.API.cluster_destroy(context.ctx(), self.cluster)
        os.rename(hidden, self.controller.socket_path)
        self._wait_for(lambda: self.cluster.id
                       not in self.controller.clusters)

    def test_that_go_are_retired_by_an_engine_that_is_started_later(self):
        self.controller.enrol(self.cluster.id, 'u-1', 'a')
        retirement.RETRY_SECONDS = 3600
        retirement.CONTROLLER_SECONDS = 0.2
        self.controller.mischief = {('DELETE', '/v1/clusters/'): [500]}
        engine = sahara_world.QuietEngine()
        self._watch(engine)
        with mock.patch.object(self.driver._retirement, 'retry_later'):
            engine.shutdown_cluster(self.cluster)
        conductor.API.cluster_destroy(context.ctx(), self.cluster)
        self.assertIn(self.cluster.id, self.controller.clusters)
        again = sahara_world.set_up_driver(
            controller_socket=self.controller.socket_path,
            state_directory=self.state)
        again.get_remote(sahara_world.an_instance())
        self._wait_for(lambda: self.cluster.id
                       not in self.controller.clusters)
        self._wait_for(lambda: os.listdir(self.state) == [])

    def test_that_are_being_changed_are_left_alone_meanwhile(self):
        (group,) = self.cluster.node_groups
        self.controller.enrol(self.cluster.id, 'u-1', 'is about to be known')
        self.controller.enrol(self.cluster.id, 'u-2', 'goes')
        self.controller.mischief = {('GET', '/v1/clusters/'): [500]}
        conductor.API.cluster_update(context.ctx(), self.cluster,
                                     {'status': 'Configuring'})
        engine = sahara_world.QuietEngine()
        self._watch(engine)
        engine.scale_cluster(self.cluster, {})
        eventlet.sleep(0.5)
        self.assertEqual(2, len(self.controller.instances[self.cluster.id]))
        conductor.API.instance_add(context.ctx(), group, {
            'instance_id': 'u-1', 'instance_name': 'is about to be known'})
        conductor.API.cluster_update(context.ctx(), self.cluster,
                                     {'status': 'Active'})
        self._wait_for(lambda: set(
            self.controller.instances[self.cluster.id])
            == {'is about to be known'})

    def test_that_are_scaled_during_a_retry_keep_what_enrols_meanwhile(self):
        (group,) = self.cluster.node_groups
        self.controller.enrol(self.cluster.id, 'u-1', 'goes')
        engine = sahara_world.QuietEngine()
        self._watch(engine)
        retired = self.driver._retirement
        with mock.patch.object(retired, 'retry_later'):
            self.controller.mischief = {('GET', '/v1/clusters/'): [400]}
            engine.scale_cluster(self.cluster, {})
        list_instances = retired._api.list_instances

        def list_late(*args):
            # The controller was away, and Sahara did not wait for it.
            self.controller.enrol(self.cluster.id, 'u-2', 'comes')
            conductor.API.cluster_update(context.ctx(), self.cluster,
                                         {'status': 'Scaling'})
            return list_instances(*args)

        with mock.patch.object(retired._api, 'list_instances', list_late):
            retired._try_again(self.cluster.id)
        self.assertEqual({'goes', 'comes'}, set(
            self.controller.instances[self.cluster.id]))
        conductor.API.instance_add(context.ctx(), group, {
            'instance_id': 'u-2', 'instance_name': 'comes'})
        conductor.API.cluster_update(context.ctx(), self.cluster,
                                     {'status': 'Active'})
        retired._try_again(self.cluster.id)
        self.assertEqual({'comes'}, set(
            self.controller.instances[self.cluster.id]))

    def _wait_for(self, holds):
        with eventlet.Timeout(60):
            while not holds():
                eventlet.sleep(0.05)

    def _watch(self, engine):
        from sahara_remote_agent import engine_watch
        engine_watch.watch_engine(engine, self.driver._retirement)


if __name__ == '__main__':
    unittest.main()
