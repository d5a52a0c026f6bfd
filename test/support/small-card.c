/*
 * A Vulkan driver with little memory: SwiftShader behind a limit. What is asked for beyond it is refused as a card that
 * is full refuses it, so that a real run meets that.
 *
 *   cc -shared -fPIC -o small-card.so test/support/small-card.c
 *   echo '{"file_format_version":"1.0.0","ICD":{"library_path":"'$PWD'/small-card.so","api_version":"1.3.0"}}' > small-card.json
 *   SMALL_CARD_DRIVER=…/libvk_swiftshader.so SMALL_CARD_MB=64 VK_DRIVER_FILES=small-card.json …
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*Function)(void);
typedef Function (*Lookup)(void *, const char *);

/* https://registry.khronos.org/vulkan/specs/latest/man/html/VkMemoryAllocateInfo.html */
typedef struct {
  int32_t type;
  const void *next;
  uint64_t size;
  uint32_t kind;
} AllocateInfo;
enum { OUT_OF_DEVICE_MEMORY = -2 };
enum { MOST = 65536 };

static Lookup of_instance, of_device;
static int32_t (*allocate)(void *, const AllocateInfo *, const void *, uint64_t *);
static void (*give_back)(void *, uint64_t, const void *);
static uint64_t used, handles[MOST], sizes[MOST];

static void *driver(void) {
  static void *loaded;
  if (loaded == NULL) loaded = dlopen(getenv("SMALL_CARD_DRIVER"), RTLD_NOW);
  if (loaded == NULL) fprintf(stderr, "SMALL_CARD_DRIVER names no driver\n");
  return loaded;
}

static int32_t limited(void *device, const AllocateInfo *info, const void *by, uint64_t *memory) {
  const char *text = getenv("SMALL_CARD_MB");
  if (text != NULL && used + info->size > strtoull(text, NULL, 10) * 1000000) return OUT_OF_DEVICE_MEMORY;
  int32_t result = allocate(device, info, by, memory);
  if (result != 0) return result;
  used += info->size;
  for (int i = 0; i < MOST; i++) {
    if (handles[i] != 0) continue;
    handles[i] = *memory;
    sizes[i] = info->size;
    break;
  }
  return result;
}

static void freed(void *device, uint64_t memory, const void *by) {
  for (int i = 0; i < MOST && memory != 0; i++) {
    if (handles[i] != memory) continue;
    used -= sizes[i];
    handles[i] = 0;
    break;
  }
  give_back(device, memory, by);
}

static Function in_place_of(const char *name, Function found) {
  if (found != NULL && strcmp(name, "vkAllocateMemory") == 0) {
    *(Function *)&allocate = found;
    return (Function)limited;
  }
  if (found != NULL && strcmp(name, "vkFreeMemory") == 0) {
    *(Function *)&give_back = found;
    return (Function)freed;
  }
  return found;
}

static Function device_lookup(void *device, const char *name) {
  return in_place_of(name, of_device(device, name));
}

Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
  if (of_instance == NULL) of_instance = (Lookup)dlsym(driver(), "vk_icdGetInstanceProcAddr");
  Function found = of_instance(instance, name);
  if (found == NULL || strcmp(name, "vkGetDeviceProcAddr") != 0) return in_place_of(name, found);
  *(Function *)&of_device = found;
  return (Function)device_lookup;
}

Function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
  Lookup lookup = (Lookup)dlsym(driver(), "vk_icdGetPhysicalDeviceProcAddr");
  return lookup == NULL ? NULL : lookup(instance, name);
}

int32_t vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  int32_t (*negotiate)(uint32_t *);
  *(void **)&negotiate = dlsym(driver(), "vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate(version);
}
