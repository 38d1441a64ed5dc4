import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { serviceWorker } from './build/service-worker-plugin.js'

export default defineConfig({
  // Relative: the drive may lie anywhere on a server.
  base: './',
  plugins: [react(), serviceWorker()],
  build: { target: 'es2023', modulePreload: { polyfill: false } },
  worker: { format: 'es' },
})
