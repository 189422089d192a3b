//! Bad files and names, without a connection.
