//! Merges the results of all batches into one output file in input order.
