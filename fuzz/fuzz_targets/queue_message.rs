#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    posnext_fuzz::queue_message::check(data);
});
