import { connect } from '../../src/tabs/connect.js'
import { startHere } from './stored-device.js'

/** A tab that can be killed. */
addEventListener('message', async ({ data: { home } }) => {
  await connect({ home, startDevice: startHere(home, (token) => postMessage({ leads: token })) })
  postMessage('connected')
})
