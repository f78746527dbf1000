//! How an answer leaves through Lambda's proxy integration.

use std::{
    future::{Future, ready},
    pin::Pin,
};

use http::Response;
use lambda_http::{Body, IntoResponse};

/// An answer whose body is ready as it is. Any other body `lambda_http` reads as a stream and decodes by the character set of
/// its type, which links the tables of every character set there is.
#[derive(Debug)]
pub struct Answered<B>(pub Response<B>);

impl<B: Into<Body>> IntoResponse for Answered<B> {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0.map(Into::into)))
    }
}
