/** All static methods. Written by build/generate-method-index.ts; do not edit. */
import type { Method } from './method.ts';
import { isoC } from './methods/iso-c.ts';
import { isoCts } from './methods/iso-cts.ts';
import { knots } from './methods/knots.ts';
import { linear } from './methods/linear.ts';
import { simpleAverage } from './methods/simple-average.ts';
import { taskArithmetic } from './methods/task-arithmetic.ts';
import { ties } from './methods/ties.ts';
import { tsvM } from './methods/tsv-m.ts';
import { wudi } from './methods/wudi.ts';

export const methods: readonly Method[] = [isoC, isoCts, knots, linear, simpleAverage, taskArithmetic, ties, tsvM, wudi];
