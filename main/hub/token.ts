/** What a server lets a person in by. Nothing that prints or serializes values can show it. */
import { AppError } from '../lib/errors.ts';

const hidden = '[token]';

export interface Credential {
  /** The header that carries it. */
  readonly authorization: string;
}

/** A person's token for the Hub. */
export class Token implements Credential {
  readonly #value: string;

  /** Throws `hub.setting_invalid` for what cannot stand in the header of a request. */
  constructor(value: string) {
    if (!/^[\x21-\x7e]{1,512}$/.test(value)) {
      throw new AppError('hub.setting_invalid', {
        what: 'the token has characters that no token has',
        hint: 'copy it again from the settings of your account on the Hub; it begins with "hf_"',
      });
    }
    this.#value = value;
  }

  /** The header that carries it. */
  get authorization(): string {
    return `Bearer ${this.#value}`;
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }
}

/** Name and password of an address. */
export class Login implements Credential {
  readonly #pair: string;

  constructor(name: string, password: string) {
    this.#pair = `${name}:${password}`;
  }

  /** The header that carries it. */
  get authorization(): string {
    return `Basic ${Buffer.from(this.#pair).toString('base64')}`;
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }
}
