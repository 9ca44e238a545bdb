//! The requirements of S3 for a signature that s3s does not check. s3s checks the signature over the headers
//! that the client has signed; `host` and every `x-amz-*` header must be among them (AWS Signature Version 4,
//! "Create a signed AWS API request").

use http::{Request, StatusCode, header};
use url::form_urlencoded;

use crate::refused::Refused;

/// The scope and the headers that a signature covers.
struct Signed {
    scope: String,
    headers: Vec<String>,
    malformed: &'static str,
}

/// Refuses a request that is not signed for this Region and for S3, or that has unsigned headers which must
/// be signed.
pub(crate) fn check<B>(request: &Request<B>, region: &str) -> Result<(), Refused> {
    let in_header = request.headers().get(header::AUTHORIZATION);
    let query: Vec<_> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).collect();
    let parameter =
        |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.to_string());
    let twice = |name: &str| query.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).count() > 1;
    if ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-SignedHeaders"].into_iter().any(twice) {
        let message = "a signature parameter occurs twice in the query".to_owned();
        return Err(Refused(StatusCode::BAD_REQUEST, "AuthorizationQueryParametersError", message));
    }
    let signed = match (in_header, parameter("X-Amz-Algorithm")) {
        (Some(_), Some(_)) => {
            let message =
                "only one of the Authorization header and the query may hold a signature".to_owned();
            return Err(Refused(StatusCode::BAD_REQUEST, "InvalidArgument", message));
        }
        (Some(value), None) => of_header(value.to_str().unwrap_or_default()),
        (None, Some(_)) => Some(Signed {
            scope: parameter("X-Amz-Credential").unwrap_or_default(),
            headers: names(&parameter("X-Amz-SignedHeaders").unwrap_or_default()),
            malformed: "AuthorizationQueryParametersError",
        }),
        (None, None) => None,
    };
    let Some(Signed { scope, headers, malformed }) = signed else {
        return Err(Refused(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "requests must be signed with AWS4-HMAC-SHA256".to_owned(),
        ));
    };
    let mut scope = scope.rsplit('/').skip(1);
    let (service, signed_for) = (scope.next().unwrap_or_default(), scope.next().unwrap_or_default());
    if service != "s3" {
        return Err(Refused(
            StatusCode::BAD_REQUEST,
            malformed,
            format!("the service {service:?} is wrong; expecting \"s3\""),
        ));
    }
    if signed_for != region {
        return Err(Refused(
            StatusCode::BAD_REQUEST,
            malformed,
            format!("the region {signed_for:?} is wrong; expecting {region:?}"),
        ));
    }
    let must_be = |name: &str| name == "host" || name == "content-md5" || name.starts_with("x-amz-");
    let unsigned = request
        .headers()
        .keys()
        .map(header::HeaderName::as_str)
        .find(|name| must_be(name) && !headers.iter().any(|h| h == name));
    match unsigned {
        Some(name) => {
            let message = format!("there were headers present in the request which were not signed: {name}");
            Err(Refused(StatusCode::FORBIDDEN, "AccessDenied", message))
        }
        None => Ok(()),
    }
}

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
fn of_header(value: &str) -> Option<Signed> {
    let parts = value.strip_prefix("AWS4-HMAC-SHA256")?;
    let part = |name: &str| {
        parts
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
    };
    Some(Signed {
        scope: part("Credential").to_owned(),
        headers: names(part("SignedHeaders")),
        malformed: "AuthorizationHeaderMalformed",
    })
}

fn names(list: &str) -> Vec<String> {
    list.split(';').map(str::to_ascii_lowercase).collect()
}
