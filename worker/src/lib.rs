//! Sends one request per line of a batch, never faster than the limits allow.
