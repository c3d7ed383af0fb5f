// USearch's own metric beside ours, in one module, so that both are compiled the same way.
#include "search.cpp"

static unum::usearch::exact_search_t* peer;

// Metrics that are in USearch's table and that nobody asks for here want these.
#define UNUSED(name) extern "C" double name(double) { __builtin_trap(); } extern "C" float name##f(float) { __builtin_trap(); }
UNUSED(sin)
UNUSED(cos)
UNUSED(asin)
UNUSED(log)

// As scan(), with the built-in cosine over rows of float32, or of float16 where `half` is set.
EXPORT(builtin) int builtin(void const* rows, std::size_t n, std::size_t d, void const* query, std::size_t wanted,
                            uint32_t* found, int half) {
    using namespace unum::usearch;
    if (!peer)
        peer = new exact_search_t;
    auto const metric = metric_punned_t::builtin(d, metric_kind_t::cos_k, half ? scalar_kind_t::f16_k : scalar_kind_t::f32_k);
    std::size_t const stride = d * (half ? 2 : 4);
    auto const results = (*peer)(static_cast<byte_t const*>(rows), n, stride, static_cast<byte_t const*>(query), 1, stride,
                                 wanted, metric);
    if (!results)
        return 0;
    auto const row = results.at(0);
    for (std::size_t i = 0; i != wanted; ++i)
        found[i] = row[i].offset;
    return 1;
}
