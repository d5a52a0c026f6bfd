/** The merges by statistics of data, as recipes name them. */
import { fisher } from './fisher.ts';
import type { StatisticsMethod } from './method.ts';
import { regMean } from './regmean.ts';

export const statisticsMethods: readonly StatisticsMethod[] = [fisher, regMean];
