"""The fuzzer's subjects, mutations and checks."""
