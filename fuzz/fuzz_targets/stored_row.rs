#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    posnext_fuzz::stored_row::check(data);
});
