/**
 * The laws a method can declare. Each is tested on every method that declares it, with random
 * tensors, experts and parameters (test/laws). Where sums in fp64 are exact, as they are for values that
 * fp16 can express, all but scale_linear hold bit for bit; elsewhere up to one rounding.
 */
export const laws = {
  base_copies: 'Experts equal to the base give the base.',
  expert_order: 'The order of the experts does not matter.',
  base_unused: 'The base does not matter.',
  single_expert: 'A single expert, taken in full, is the result.',
  identical_experts: 'Copies of one expert give that expert.',
  zero_scale: 'With no part of the task vectors taken, the base is the result.',
  scale_linear: 'The distance from the base grows in proportion to lambda.',
  power_of_two: 'Doubling every value of every model doubles every value of the result.',
  negation: 'Negating every value of every model negates every value of the result.',
  within_experts: 'Each value lies between the least and the greatest of the experts.',
  sharding: 'Cutting a tensor into pieces, or reordering tensors, does not change a value.',
} as const;

export type LawId = keyof typeof laws;
