import type { Cloud } from '../../protocol/keystone/cloud.ts'
import type { RealZaqar } from './start-zaqar.ts'

/** The way into a test cloud for one of its users; by default for the controller's, a plain member of its project. */
export function testCloud(
  { keystone }: Pick<RealZaqar, 'keystone'>,
  userName: 'controller' | 'neighbour' = 'controller',
): Cloud {
  if (keystone === undefined) throw new Error('this Zaqar runs without Keystone')
  const { name, password, project } = keystone.users[userName]
  const domain = { id: 'default' }
  return {
    authUrl: keystone.authUrl,
    identity: {
      method: 'password',
      user: { name, domain },
      password,
      project: { name: project, domain },
    },
    region: keystone.region,
    interface: 'public',
  }
}
