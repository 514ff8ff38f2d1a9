#!/usr/bin/env node
import { runQueueCommand } from './run-queue-command.ts'

process.exitCode = await runQueueCommand(process.argv, process)
