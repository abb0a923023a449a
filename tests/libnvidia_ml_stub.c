/* A libnvidia-ml.so.1 without a GPU: a card that is hot, at its power limit, and does not tell its load. */
#include <stdint.h>

enum { OK = 0, NOT_SUPPORTED = 3 };
enum { POWER_LIMIT = 0x04, HOT = 0x20, IDLE = 0x01 };
typedef struct { unsigned long long total, free, used; } Memory;

int nvmlInitWithFlags(unsigned flags) { (void)flags; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned row, void **gpu) { *gpu = (void *)(uintptr_t)(row + 1); return OK; }
int nvmlDeviceGetClockInfo(void *gpu, int kind, unsigned *mhz) { (void)gpu; *mhz = kind == 1 ? 1410 : 9501; return OK; }
int nvmlDeviceGetTemperature(void *gpu, int sensor, unsigned *celsius) { (void)gpu; (void)sensor; *celsius = 83; return OK; }
int nvmlDeviceGetPowerUsage(void *gpu, unsigned *milliwatts) { (void)gpu; *milliwatts = 199500; return OK; }
int nvmlDeviceGetUtilizationRates(void *gpu, void *rates) { (void)gpu; (void)rates; return NOT_SUPPORTED; }
int nvmlDeviceGetMemoryInfo(void *gpu, Memory *memory) { (void)gpu; memory->used = 512ull << 20; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *gpu, unsigned long long *bits)
{ (void)gpu; *bits = POWER_LIMIT | HOT | IDLE; return OK; }
const char *nvmlErrorString(int code) { (void)code; return "stub"; }
