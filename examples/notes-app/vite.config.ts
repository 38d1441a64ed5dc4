import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  // Relative: the app may lie anywhere on a server.
  base: './',
  plugins: [react()],
  build: { target: 'es2023' },
  // The device of @peerfold/browser runs in a worker that is a module.
  worker: { format: 'es' },
})
