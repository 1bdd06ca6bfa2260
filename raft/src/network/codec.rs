//! Messages as tonic sends them: the storage codec's bytes, version in front, in one gRPC frame.

use std::any::type_name;
use std::marker::PhantomData;

use bytes::{Buf, BufMut};
use holdline_storage::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Encodes `T` and decodes `U`.
pub(crate) struct WireCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for WireCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for WireCodec<T, U>
where
    T: Serialize + Send + 'static,
    U: DeserializeOwned + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = WireEncoder<T>;
    type Decoder = WireDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        WireEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        WireDecoder(PhantomData)
    }
}

/// See [`WireCodec`].
pub(crate) struct WireEncoder<T>(PhantomData<T>);

impl<T: Serialize> Encoder for WireEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let bytes = codec::encode_message(&item)
            .map_err(|error| Status::internal(format!("{}: {error}", type_name::<T>())))?;
        to.put_slice(&bytes);
        Ok(())
    }
}

/// See [`WireCodec`].
pub(crate) struct WireDecoder<U>(PhantomData<U>);

impl<U: DeserializeOwned> Decoder for WireDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        codec::decode_message(&bytes)
            .map(Some)
            .map_err(|error| Status::invalid_argument(format!("{}: {error}", type_name::<U>())))
    }
}
