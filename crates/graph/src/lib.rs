//! Live heterogeneous graph of one tenant and the sampler that turns an event into arrays.
