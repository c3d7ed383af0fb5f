// The search core: USearch's exact_search_t over rows of int8 with a query of int16.
//
// score = multiplier[row] * (row . query) + bias[row]. The multiplier turns the dot product into a cosine; the bias is
// added by the page (-infinity excludes a row). cosines() has the cosine of every row, for a bias of the page's. The caller lays out the memory: reserve() returns whole pages, which are
// never moved or freed.
#include <usearch/index_plugins.hpp>
#include <wasm_simd128.h>

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace usearch = unum::usearch;

namespace {

// A USearch metric receives two pointers and nothing else; the row's index is computed from its address.
struct {
    int8_t const* rows;
    float const* multipliers;
    float const* bias;
    std::size_t d;
} scanned;

template <std::size_t fixed> int32_t dot(int8_t const* row, int16_t const* query, std::size_t any) {
    std::size_t const d = fixed ? fixed : any;
    v128_t even = wasm_i32x4_splat(0), odd = even;
#pragma unroll
    for (std::size_t j = 0; j < d; j += 16) {
        even = wasm_i32x4_add(even, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(row + j), wasm_v128_load(query + j)));
        odd = wasm_i32x4_add(odd, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(row + j + 8), wasm_v128_load(query + j + 8)));
    }
    v128_t const sum = wasm_i32x4_add(even, odd);
    return wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1) + wasm_i32x4_extract_lane(sum, 2) +
           wasm_i32x4_extract_lane(sum, 3);
}

template <std::size_t fixed> usearch::distance_punned_t distance(std::uintptr_t a, std::uintptr_t b) {
    auto const row = reinterpret_cast<int8_t const*>(a);
    std::size_t const d = fixed ? fixed : scanned.d;
    std::size_t const i = static_cast<std::size_t>(row - scanned.rows) / d;
    float const score = static_cast<float>(dot<fixed>(row, reinterpret_cast<int16_t const*>(b), d)) * scanned.multipliers[i];
    return -(scanned.bias ? score + scanned.bias[i] : score);
}

// Constant, so that the compiler inlines the metric into USearch's loop: two calls by pointer for each row would take
// longer than the distance itself.
template <std::size_t fixed>
usearch::metric_punned_t const metric = usearch::metric_punned_t::stateless(
    fixed, reinterpret_cast<std::uintptr_t>(&distance<fixed>), usearch::metric_punned_signature_t::array_array_k,
    usearch::metric_kind_t::ip_k, usearch::scalar_kind_t::i8_k);

usearch::exact_search_t* engine;

template <std::size_t fixed>
usearch::exact_search_results_t nearest(int8_t const* rows, std::size_t n, int16_t const* query, std::size_t wanted) {
    std::size_t const d = fixed ? fixed : scanned.d;
    return (*engine)(reinterpret_cast<usearch::byte_t const*>(rows), n, d, reinterpret_cast<usearch::byte_t const*>(query),
                     1, d * sizeof(int16_t), wanted, metric<fixed>);
}

template <std::size_t fixed>
void multiply(int8_t const* rows, float const* multipliers, std::size_t n, std::size_t d, int16_t const* query,
              float* result) {
    for (std::size_t i = 0; i != n; ++i)
        result[i] = static_cast<float>(dot<fixed>(rows + i * (fixed ? fixed : d), query, d)) * multipliers[i];
}

void* pages(std::size_t bytes) {
    std::size_t const before = __builtin_wasm_memory_grow(0, (bytes + 65535) >> 16);
    return before == std::size_t(-1) ? nullptr : reinterpret_cast<void*>(before << 16);
}

} // namespace

// The part of the C++ runtime that exact_search_t needs. It allocates its scratch space once, for the largest n so far,
// so nothing is ever freed.
void* operator new(std::size_t bytes) { return pages(bytes); }
void operator delete(void*) noexcept {}
void operator delete(void*, std::size_t) noexcept {}
namespace std {
inline namespace __1 {
[[noreturn]] void __libcpp_verbose_abort(char const*, ...) noexcept { __builtin_trap(); }
} // namespace __1
} // namespace std

// Address of `bytes` zeros, at a multiple of 64 KiB; 0 when there is no memory.
EXPORT(reserve) void* reserve(std::size_t bytes) { return pages(bytes); }

// multipliers[i] = 1 / |row i| / scale, 0 for a zero row. d is a multiple of 16.
EXPORT(index) void index_rows(int8_t const* rows, std::size_t n, std::size_t d, double scale, float* multipliers) {
    for (std::size_t i = 0; i != n; ++i, rows += d) {
        v128_t squares = wasm_i32x4_splat(0);
        for (std::size_t j = 0; j < d; j += 8) {
            v128_t const x = wasm_i16x8_load8x8(rows + j);
            squares = wasm_i32x4_add(squares, wasm_i32x4_dot_i16x8(x, x));
        }
        int32_t const sum = wasm_i32x4_extract_lane(squares, 0) + wasm_i32x4_extract_lane(squares, 1) +
                            wasm_i32x4_extract_lane(squares, 2) + wasm_i32x4_extract_lane(squares, 3);
        multipliers[i] = sum ? static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(sum)) / scale) : 0.0f;
    }
}

// result[i] = multipliers[i] * (row i . query). d is a multiple of 16.
EXPORT(cosines) void cosines(int8_t const* rows, float const* multipliers, std::size_t n, std::size_t d,
                             int16_t const* query, float* result) {
    (d == 128 ? multiply<128> : multiply<0>)(rows, multipliers, n, d, query, result);
}

// Writes the indices of the `wanted` rows with the highest scores, best first; returns 0 when there is no memory.
// `bias` may be 0; 0 < wanted <= n.
EXPORT(scan) int scan(int8_t const* rows, float const* multipliers, float const* bias, std::size_t n, std::size_t d,
                      int16_t const* query, std::size_t wanted, uint32_t* found) {
    if (!engine)
        engine = new usearch::exact_search_t;
    scanned = {rows, multipliers, bias, d};
    auto const results = d == 128 ? nearest<128>(rows, n, query, wanted) : nearest<0>(rows, n, query, wanted);
    if (!results)
        return 0;
    auto const row = results.at(0);
    for (std::size_t i = 0; i != wanted; ++i)
        found[i] = row[i].offset;
    return 1;
}
