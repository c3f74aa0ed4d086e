// Preloaded, it tells torch's C++ that there is one CUDA device with cuDNN; nothing is ever computed there.
//
// Autograd asks which accelerator there is and whether a stream lives on it, and the choice of a convolution asks for
// cuDNN. The answers are enough for fake tensors (torch._subclasses), whose operators only work out shapes and strides.
#include <ATen/detail/CUDAHooksInterface.h>

#include <optional>

namespace {

struct OneDevice : at::CUDAHooksInterface {
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool hasCuDNN() const override { return true; }
  bool compiledWithCuDNN() const override { return true; }
  bool supportsDilatedConvolutionWithCuDNN() const override { return true; }
  bool supportsDepthwiseConvolutionWithCuDNN() const override { return true; }
  bool supportsBFloat16ConvolutionWithCuDNNv8() const override { return true; }
  long versionCuDNN() const override { return 91000; }
  virtual long versionRuntimeCuDNN() const { return 91000; }  // not every torch asks
  double batchnormMinEpsilonCuDNN() const override { return 0.0; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex current_device() const override { return 0; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  bool isPinnedPtr(const void*) const override { return false; }
};

}  // namespace

namespace at::detail {
__attribute__((visibility("default"))) const CUDAHooksInterface& getCUDAHooks() {
  static const OneDevice device;
  return device;
}
}  // namespace at::detail

namespace at::accelerator {
__attribute__((visibility("default"))) std::optional<c10::DeviceType> getAccelerator(bool) {
  return c10::DeviceType::CUDA;
}
}  // namespace at::accelerator
