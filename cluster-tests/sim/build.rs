//! Lets the `getrandom` crates find this program's own `getrandom`: they look it up by name at run
//! time, and only exported names are found (see `src/os.rs`).

fn main() {
    println!("cargo:rustc-link-arg=-Wl,--export-dynamic-symbol=getrandom");
    println!("cargo:rerun-if-changed=build.rs");
}
