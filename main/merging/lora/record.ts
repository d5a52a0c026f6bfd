/** What an adapter can be made by, as data: forms, flags and help are made of these tables. */
import type { ParameterTable } from '../../lib/parameters.ts';
import type { Paper } from '../method.ts';

/** One way to combine adapters, or to extract one. */
export interface AdapterRecord {
  readonly id: string;
  readonly title: string;
  /** The heading it stands under. */
  readonly family: string;
  readonly summary: string;
  readonly formula: string;
  readonly paper: Paper;
  readonly parameters: ParameterTable;
}

export const papers = {
  lora: {
    title: 'LoRA: low-rank adaptation of large language models (Hu et al. 2021)',
    url: 'https://arxiv.org/abs/2106.09685',
  },
  ties: {
    title: 'TIES-Merging: resolving interference when merging models (Yadav et al. 2023)',
    url: 'https://arxiv.org/abs/2306.01708',
  },
  dare: {
    title:
      'Language models are super Mario: absorbing abilities from homologous models (Yu et al. 2024)',
    url: 'https://arxiv.org/abs/2311.03099',
  },
  prune: {
    title: 'Learning both weights and connections for efficient neural networks (Han et al. 2015)',
    url: 'https://arxiv.org/abs/1506.02626',
  },
  knots: {
    title: 'Model merging with SVD to tie the KnOTS (Stoica et al. 2024)',
    url: 'https://arxiv.org/abs/2410.19735',
  },
  soup: {
    title: 'AdapterSoup: weight averaging to improve generalization (Chronopoulou et al. 2023)',
    url: 'https://arxiv.org/abs/2302.07027',
  },
} as const satisfies Record<string, Paper>;
