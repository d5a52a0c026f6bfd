/** All static methods. Written by build/generate-method-index.ts; do not edit. */
import type { Method } from './method.ts';
import { simpleAverage } from './methods/simple-average.ts';
import { taskArithmetic } from './methods/task-arithmetic.ts';
import { ties } from './methods/ties.ts';

export const methods: readonly Method[] = [simpleAverage, taskArithmetic, ties];
