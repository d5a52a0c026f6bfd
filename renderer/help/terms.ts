/** The field's terms in plain words, in the order in which one explains the next. */

export interface Term {
  readonly name: string;
  readonly meaning: string;
}

export const terms: readonly Term[] = [
  {
    name: 'Base model',
    meaning: 'The pre-trained checkpoint θ₀ that every expert was fine-tuned from.',
  },
  {
    name: 'Expert',
    meaning:
      'The base model fine-tuned on one task, θₖ. Also called the individual model: it is what a merge is compared with on that task.',
  },
  {
    name: 'Task',
    meaning: 'Images, the names of their classes, and a head that turns features into one of them.',
  },
  {
    name: 'Head',
    meaning:
      'The classifier on top of the encoder. For CLIP it is made of the class names’ text embeddings and stays as it is: no method changes it.',
  },
  {
    name: 'Task vector',
    meaning:
      'What fine-tuning changed: τₖ = θₖ − θ₀, one difference for every weight. Merging methods add task vectors in different ways.',
  },
  {
    name: 'Cosine similarity',
    meaning:
      'Whether two task vectors point the same way: 1 is the same direction, 0 means they hardly touch each other’s weights, below 0 they pull against each other.',
  },
  {
    name: 'Merged model',
    meaning:
      'One model for all tasks. It is static when all images go through the same weights, and dynamic when routers choose the weights for each image.',
  },
  {
    name: 'λ, routing weight',
    meaning:
      'How much of an expert’s task vector is added to the base model. Static methods use fixed numbers, WEMoE computes them for each image and layer. A λ may be negative, and the λ of a layer need not sum to 1.',
  },
  {
    name: 'λ₀',
    meaning:
      'The value that every λ has before adaptation, so that a new router behaves like task arithmetic. Heatmaps are centred on it.',
  },
  {
    name: 'Router',
    meaning:
      'A small network in each layer that reads the layer’s input and gives one λ for every expert. Its depth l is 0 (learned constants), 1 (linear) or 2 (two linear maps with a ReLU between them).',
  },
  {
    name: 'WEMoE',
    meaning:
      'Weight-ensembling mixture of experts: all layers are merged by task arithmetic but the MLPs, whose weights a router puts together for each input from the experts’ task vectors.',
  },
  {
    name: 'Adaptation',
    meaning:
      'Learning after merging, from test images without their labels. Only routers or merging coefficients change, never the experts.',
  },
  {
    name: 'Entropy minimisation',
    meaning:
      'What adaptation learns from: the entropy of a prediction is low when the model is sure. Making it smaller on all tasks needs no label, and tends to make predictions right as well.',
  },
  {
    name: 'Batch mean, per sample',
    meaning:
      'Whether a batch shares the mean of its images’ λ or every image keeps its own. A batch holds one task, so batch mean profits from knowing the task; every result says which was used.',
  },
  {
    name: 'Normalized accuracy',
    meaning:
      'Accuracy of the merge divided by that of the task’s individual model on the same images. 100 % means that nothing was lost by merging.',
  },
  {
    name: 'First choice',
    meaning: 'The share of a task’s images whose largest λ in a layer is that of their own expert.',
  },
  {
    name: 'Static fold',
    meaning:
      'A dynamic model turned into an ordinary one: its λ are replaced by their mean over images, which gives one weight set that runs anywhere and costs some accuracy.',
  },
  {
    name: 'LoRA adapter',
    meaning:
      'A small file that changes a model’s linear layers by a product of two thin matrices: ΔW = s B A, with s = alpha / r. Its rank r is how many columns B has.',
  },
  {
    name: 'Singular values',
    meaning:
      'How much of a matrix lies along each of its main directions, largest first. Cutting to a rank keeps the largest ones, which loses the least of its norm.',
  },
  {
    name: 'Recipe',
    meaning:
      'The file that says everything about a run: models, images, methods and their parameters, seed. The same recipe on the same inputs and engine gives the same result.',
  },
];
