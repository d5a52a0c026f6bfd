/**
 * The part of ONNX's protobuf schema (onnx.proto3, IR version 9) that we write and read back.
 * Field numbers are the standard's.
 */
import protobuf from 'protobufjs/light.js';

const root = protobuf.Root.fromJSON({
  nested: {
    AttributeProto: {
      fields: {
        name: { type: 'string', id: 1 },
        f: { type: 'float', id: 2 },
        i: { type: 'int64', id: 3 },
        ints: { type: 'int64', id: 8, rule: 'repeated' },
        type: { type: 'int32', id: 20 },
      },
    },
    NodeProto: {
      fields: {
        input: { type: 'string', id: 1, rule: 'repeated' },
        output: { type: 'string', id: 2, rule: 'repeated' },
        name: { type: 'string', id: 3 },
        opType: { type: 'string', id: 4 },
        attribute: { type: 'AttributeProto', id: 5, rule: 'repeated' },
      },
    },
    StringStringEntryProto: {
      fields: { key: { type: 'string', id: 1 }, value: { type: 'string', id: 2 } },
    },
    TensorProto: {
      fields: {
        dims: { type: 'int64', id: 1, rule: 'repeated' },
        dataType: { type: 'int32', id: 2 },
        name: { type: 'string', id: 8 },
        rawData: { type: 'bytes', id: 9 },
        externalData: { type: 'StringStringEntryProto', id: 13, rule: 'repeated' },
        dataLocation: { type: 'int32', id: 14 },
      },
    },
    SparseTensorProto: {
      fields: {
        values: { type: 'TensorProto', id: 1 },
        indices: { type: 'TensorProto', id: 2 },
        dims: { type: 'int64', id: 3, rule: 'repeated' },
      },
    },
    Dimension: {
      oneofs: { value: { oneof: ['dimValue', 'dimParam'] } },
      fields: { dimValue: { type: 'int64', id: 1 }, dimParam: { type: 'string', id: 2 } },
    },
    TensorShapeProto: { fields: { dim: { type: 'Dimension', id: 1, rule: 'repeated' } } },
    TensorTypeProto: {
      fields: { elemType: { type: 'int32', id: 1 }, shape: { type: 'TensorShapeProto', id: 2 } },
    },
    TypeProto: { fields: { tensorType: { type: 'TensorTypeProto', id: 1 } } },
    ValueInfoProto: {
      fields: {
        name: { type: 'string', id: 1 },
        type: { type: 'TypeProto', id: 2 },
        docString: { type: 'string', id: 3 },
      },
    },
    GraphProto: {
      fields: {
        node: { type: 'NodeProto', id: 1, rule: 'repeated' },
        name: { type: 'string', id: 2 },
        initializer: { type: 'TensorProto', id: 5, rule: 'repeated' },
        docString: { type: 'string', id: 10 },
        input: { type: 'ValueInfoProto', id: 11, rule: 'repeated' },
        output: { type: 'ValueInfoProto', id: 12, rule: 'repeated' },
        sparseInitializer: { type: 'SparseTensorProto', id: 15, rule: 'repeated' },
      },
    },
    OperatorSetIdProto: {
      fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } },
    },
    ModelProto: {
      fields: {
        irVersion: { type: 'int64', id: 1 },
        producerName: { type: 'string', id: 2 },
        producerVersion: { type: 'string', id: 3 },
        docString: { type: 'string', id: 6 },
        graph: { type: 'GraphProto', id: 7 },
        opsetImport: { type: 'OperatorSetIdProto', id: 8, rule: 'repeated' },
        metadataProps: { type: 'StringStringEntryProto', id: 14, rule: 'repeated' },
      },
    },
  },
});

export const opset = 18;
export const irVersion = 9;
export const elementType = { float: 1, int64: 7, float16: 10, double: 11 } as const;
export const attributeType = { float: 1, int: 2, ints: 7 } as const;
export const externalLocation = 1;

export interface AttributeProto {
  readonly name: string;
  readonly type: number;
  readonly f?: number;
  readonly i?: number;
  readonly ints?: readonly number[];
}

export interface NodeProto {
  readonly opType: string;
  readonly name: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly AttributeProto[];
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export interface TensorProto {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData?: Uint8Array;
  readonly externalData?: readonly KeyValue[];
  readonly dataLocation?: number;
}

/** The name of the whole is that of its values; indices count row-major. */
export interface SparseTensorProto {
  readonly values: TensorProto;
  readonly indices: TensorProto;
  readonly dims: readonly number[];
}

export interface ValueInfoProto {
  readonly name: string;
  readonly docString?: string;
  readonly type: {
    readonly tensorType: {
      readonly elemType: number;
      readonly shape: {
        readonly dim: readonly ({ readonly dimValue: number } | { readonly dimParam: string })[];
      };
    };
  };
}

export interface ModelProto {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly docString: string;
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
  readonly metadataProps: readonly KeyValue[];
  readonly graph: {
    readonly name: string;
    readonly docString: string;
    readonly node: readonly NodeProto[];
    readonly initializer: readonly TensorProto[];
    readonly sparseInitializer?: readonly SparseTensorProto[];
    readonly input: readonly ValueInfoProto[];
    readonly output: readonly ValueInfoProto[];
  };
}

export function encodeModel(model: ModelProto): Uint8Array {
  const type = root.lookupType('ModelProto');
  return type.encode(type.fromObject(model)).finish();
}
