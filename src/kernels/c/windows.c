/**
 * Kernels over windows of pictures; equations in `src/kernels/patches.ts`, `depthwise-convolution.ts` and `max-pooling.ts`.
 *
 *   patches                   rows of pixels under a kernel: a chunk is a range of rows of places, over all images
 *   patchesBackward           each pixel's sum over them: a chunk is a range of lines of pixels
 *   depthwiseBackward         for x: a chunk is a range of lines of pixels
 *   depthwiseFilterGradient   for K: a chunk is one place of the kernel; each row of places is summed by itself, and then the rows, so
 *                             that rounding grows with the length of a row and their number, not with the product
 *   maxPoolingBackward        dy goes to the first pixel that has the maximum: a chunk is a range of images
 *
 * Where the kernel's own row of pixels lies in the picture as it does in the patch (no dilation), it is copied or added as one piece.
 */
#include "declared.h"
#include "vectors.h"

/** Which row of places is `distance` lines below the first, if one row is `stride` below another; −1: none. */
INLINE int32_t row_at(int32_t distance, int32_t stride, int32_t rows) {
  return distance < 0 || distance % stride != 0 || distance / stride >= rows ? -1 : distance / stride;
}

/** to += x·y */
INLINE void add_product(float *to, const float *x, const float *y, size_t count) {
  for (; count >= W; count -= W, to += W, x += W, y += W) store(to, load(to) + load(x) * load(y));
  if (count > 0) store_part(to, load_part(to, count) + load_part(x, count) * load_part(y, count), count);
}

KERNEL(patches) {
  ARGUMENTS(Patches);
  const int32_t height = args->height, width = args->width, tall = args->kernelHeight, across = args->kernelWidth;
  const int32_t columns = args->columns, dilation = args->dilationX, dilation_y = args->dilationY;
  const size_t pixel = args->channels, piece = pixel * across;
  const int32_t first = chunk * args->perChunk, last = least(first + args->perChunk, args->lines);
  float *to = FLOATS(args->out) + piece * tall * columns * first;
  for (int32_t row = first; row < last; row++) {
    const float *image = FLOATS(args->x) + pixel * height * width * (row / args->rows);
    const int32_t top = row % args->rows * args->strideY + args->top;
    for (int32_t column = 0; column < columns; column++) {
      const int32_t left = column * args->strideX + args->left;
      const int32_t whole = dilation == 1 && left >= 0 && left + across <= width;
      for (int32_t k = 0; k < tall; k++, to += piece) {
        const int32_t y = top + k * dilation_y;
        const float *line = image + pixel * y * width;
        if (y < 0 || y >= height) clear(to, piece);
        else if (whole) copy(to, line + pixel * left, piece);
        else
          for (int32_t l = 0; l < across; l++) {
            const int32_t x = left + l * dilation;
            if (x >= 0 && x < width) copy(to + pixel * l, line + pixel * x, pixel);
            else clear(to + pixel * l, pixel);
          }
      }
    }
  }
}

KERNEL(patchesBackward) {
  ARGUMENTS(PatchesBackward);
  const int32_t height = args->height, width = args->width, across = args->kernelWidth, dilation = args->dilationX;
  const size_t pixel = args->channels, piece = pixel * across, patch = piece * args->kernelHeight;
  const int32_t last = least((chunk + 1) * args->perChunk, args->lines);
  for (int32_t line = chunk * args->perChunk; line < last; line++) {
    float *out = FLOATS(args->dx) + pixel * width * line;
    clear(out, pixel * width);
    for (int32_t k = 0; k < args->kernelHeight; k++) {
      const int32_t row = row_at(line % height - args->top - k * args->dilationY, args->strideY, args->rows);
      if (row < 0) continue;
      const float *from = FLOATS(args->dy) + patch * (line / height * args->rows + row) * args->columns + piece * k;
      for (int32_t column = 0; column < args->columns; column++, from += patch) {
        const int32_t left = column * args->strideX + args->left;
        if (dilation == 1) {
          const int32_t begin = most(0, -left), end = least(across, width - left);
          if (end > begin) add(out + pixel * (left + begin), from + pixel * begin, pixel * (end - begin));
        } else
          for (int32_t l = 0; l < across; l++) {
            const int32_t x = left + l * dilation;
            if (x >= 0 && x < width) add(out + pixel * x, from + pixel * l, pixel);
          }
      }
    }
  }
}

KERNEL(depthwiseBackward) {
  ARGUMENTS(DepthwiseBackward);
  const int32_t height = args->height, width = args->width, across = args->kernelWidth;
  const size_t pixel = args->channels;
  const int32_t last = least((chunk + 1) * args->perChunk, args->lines);
  for (int32_t line = chunk * args->perChunk; line < last; line++) {
    float *out = FLOATS(args->dx) + pixel * width * line;
    clear(out, pixel * width);
    for (int32_t k = 0; k < args->kernelHeight; k++) {
      const int32_t row = row_at(line % height - args->top - k * args->dilationY, args->strideY, args->rows);
      if (row < 0) continue;
      const float *filters = FLOATS(args->filters) + pixel * k * across;
      const float *dy = FLOATS(args->dy) + pixel * (line / height * args->rows + row) * args->columns;
      for (int32_t column = 0; column < args->columns; column++, dy += pixel)
        for (int32_t l = 0; l < across; l++) {
          const int32_t x = column * args->strideX + args->left + l * args->dilationX;
          if (x >= 0 && x < width) add_product(out + pixel * x, dy, filters + pixel * l, pixel);
        }
    }
  }
}

/** Scratch: a float for each channel. */
KERNEL(depthwiseFilterGradient) {
  ARGUMENTS(DepthwiseFilterGradient);
  const int32_t height = args->height, width = args->width, across = args->kernelWidth;
  const size_t pixel = args->channels;
  float *out = FLOATS(args->out) + pixel * chunk, *sum = FLOATS(scratch_at);
  clear(out, pixel);
  for (int32_t row = 0; row < args->batch * args->rows; row++) {
    const int32_t y = row % args->rows * args->strideY + args->top + chunk / across * args->dilationY;
    if (y < 0 || y >= height) continue;
    clear(sum, pixel);
    const float *line = FLOATS(args->x) + pixel * (row / args->rows * height + y) * width;
    const float *dy = FLOATS(args->dy) + pixel * row * args->columns;
    int32_t x = args->left + chunk % across * args->dilationX;
    for (int32_t column = 0; column < args->columns; column++, dy += pixel, x += args->strideX)
      if (x >= 0 && x < width) add_product(sum, line + pixel * x, dy, pixel);
    add(out, sum, pixel);
  }
}

/** Where in an image a window has its maximum `most`, in pixels; −1: nowhere, since it is not a number. */
static int32_t place_of(const MaxPoolingBackward *args, const float *image, int32_t row, int32_t column, float most) {
  for (int32_t k = 0; k < args->kernelHeight; k++) {
    const int32_t y = row * args->strideY + args->top + k * args->dilationY;
    if (y < 0 || y >= args->height) continue;
    for (int32_t l = 0; l < args->kernelWidth; l++) {
      const int32_t x = column * args->strideX + args->left + l * args->dilationX, place = y * args->width + x;
      if (x >= 0 && x < args->width && image[(size_t)place * args->channels] == most) return place;
    }
  }
  return -1;
}

KERNEL(maxPoolingBackward) {
  ARGUMENTS(MaxPoolingBackward);
  const size_t channels = args->channels, picture = channels * args->height * args->width;
  const int32_t last = least((chunk + 1) * args->perChunk, args->batch);
  for (int32_t image = chunk * args->perChunk; image < last; image++) {
    const float *x = FLOATS(args->x) + picture * image;
    float *dx = FLOATS(args->dx) + picture * image;
    clear(dx, picture);
    size_t at = channels * image * args->rows * args->columns;
    for (int32_t row = 0; row < args->rows; row++)
      for (int32_t column = 0; column < args->columns; column++)
        for (size_t channel = 0; channel < channels; channel++, at++) {
          const int32_t place = place_of(args, x + channel, row, column, FLOATS(args->y)[at]);
          if (place >= 0) dx[place * channels + channel] += FLOATS(args->dy)[at];
        }
  }
}
