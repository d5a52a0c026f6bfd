/** A mistake in what a pickle says; whoever knows the file turns it into an AppError. */
export class ValueFault extends Error {
  readonly code:
    'pickle_value' | 'pickle_global' | 'duplicate_tensor' | 'view_invalid' | 'storage_invalid';
  readonly hint: string | undefined;

  constructor(code: ValueFault['code'], problem: string, hint?: string) {
    super(problem);
    this.code = code;
    this.hint = hint;
  }
}
