/** All static methods. Written by build/generate-method-index.ts; do not edit. */
import type { Method } from './method.ts';
import { breadcrumbs } from './methods/breadcrumbs.ts';
import { breadcrumbsTies } from './methods/breadcrumbs-ties.ts';
import { consensus } from './methods/consensus.ts';
import { dareLinear } from './methods/dare-linear.ts';
import { dareTies } from './methods/dare-ties.ts';
import { della } from './methods/della.ts';
import { dellaLinear } from './methods/della-linear.ts';
import { emr } from './methods/emr.ts';
import { isoC } from './methods/iso-c.ts';
import { isoCts } from './methods/iso-cts.ts';
import { karcher } from './methods/karcher.ts';
import { knots } from './methods/knots.ts';
import { linear } from './methods/linear.ts';
import { magmax } from './methods/magmax.ts';
import { metagpt } from './methods/metagpt.ts';
import { modelStock } from './methods/model-stock.ts';
import { multislerp } from './methods/multislerp.ts';
import { nuslerp } from './methods/nuslerp.ts';
import { passthrough } from './methods/passthrough.ts';
import { pcb } from './methods/pcb.ts';
import { sce } from './methods/sce.ts';
import { simpleAverage } from './methods/simple-average.ts';
import { slerp } from './methods/slerp.ts';
import { taskArithmetic } from './methods/task-arithmetic.ts';
import { ties } from './methods/ties.ts';
import { tsvM } from './methods/tsv-m.ts';
import { wudi } from './methods/wudi.ts';

export const methods: readonly Method[] = [
  breadcrumbs,
  breadcrumbsTies,
  consensus,
  dareLinear,
  dareTies,
  della,
  dellaLinear,
  emr,
  isoC,
  isoCts,
  karcher,
  knots,
  linear,
  magmax,
  metagpt,
  modelStock,
  multislerp,
  nuslerp,
  passthrough,
  pcb,
  sce,
  simpleAverage,
  slerp,
  taskArithmetic,
  ties,
  tsvM,
  wudi,
];
