//! Splits one input object into lanes of batches.
