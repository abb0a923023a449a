/* A libcuda.so.1 without a GPU: memory is the host's, work is done as soon as it is asked for, and what is alive is
 * counted. STUB_FAIL=cuMemAlloc:2:3 lets the third cuMemAlloc answer 2; from 700 on every later call answers so too.
 * STUB_SM=87 is its compute capability; STUB_KERNELS=x.so holds kernels compiled for the host (kernel_shim.h). With
 * STUB_LAZY=1 work is done as late as may be: when somebody waits for it. With STUB_INTEGRATED=1 it has no memory of its
 * own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int Result;
typedef unsigned long long Address;
enum { OK = 0, INVALID = 1, OUT_OF_MEMORY = 2, NO_CONTEXT = 201, NOT_FOUND = 500, ILLEGAL = 700, UNMATCHED = 903 };
enum { DEVICE, HOST, STREAM, EVENT, NOTED, GRAPH, MODULE, CONTEXT, KINDS };
static const char *const NAMES[KINDS] = {"device", "host", "stream", "event", "noted", "graph", "module", "context"};

typedef struct Thing { int kind; size_t size; void *content; struct Thing *next; } Thing;
typedef struct Work { int what; char *to; const char *from; size_t size; int value; struct Work *next;
                      void (*kernel)(const unsigned *, const unsigned *, void **); unsigned shape[6]; void *kept[16];
                      struct Stream *of; long until; struct Event *event; struct Graph *graph;
                      void (*call)(void *); void *given; } Work;
typedef struct Queue { Work *first, **last; } Queue;
typedef struct Stream { Thing thing; Queue noted, waiting; int noting; long put, done; } Stream;
typedef struct Event { Thing thing; struct timespec at; Stream *of; long until; } Event;
typedef struct Graph { Thing thing; Work *first; } Graph;
typedef struct Function { char name[64]; } Function;

static Thing *things;
static int live[KINDS], lost, failures;
static void *kernels;
static char story[1 << 16];
static __thread void *current;
static int the_context;

static Result begun(const char *call) {
    const char *fail = getenv("STUB_FAIL");
    char name[64];
    int code = 0, which = 1;
    if (strlen(story) + strlen(call) + 2 < sizeof story) strcat(strcat(story, call), " ");
    if (lost) return lost;
    if (!fail || sscanf(fail, "%63[^:]:%d:%d", name, &code, &which) < 2 || strcmp(name, call)) return OK;
    if (++failures != which) return OK;
    if (code >= 700 && code < 900) lost = code;
    return code;
}
#define BEGIN(call) do { Result code = begun(call); if (code) return code; } while (0)
#define WITH_CONTEXT(call) do { BEGIN(call); if (!current) return NO_CONTEXT; } while (0)

static void *made(int kind, size_t bytes, size_t size) {
    Thing *thing = calloc(1, bytes);
    thing->kind = kind, thing->size = size, thing->next = things, things = thing;
    ++live[kind];
    return thing;
}

static Thing **found(int kind, const void *which) {
    Thing **place = &things;
    while (*place && ((*place)->kind != kind || ((*place)->content ? (*place)->content : (void *)*place) != which))
        place = &(*place)->next;
    return place;
}

static void come_past_all(void);
static void come_past(Stream *stream, long until);
static Result dropped(int kind, const void *which) {
    if (kind == DEVICE || kind == HOST || kind == STREAM || kind == GRAPH) come_past_all();
    Thing **place = found(kind, which), *thing = *place;
    if (!thing) return INVALID;
    if (kind == EVENT) come_past(((Event *)thing)->of, ((Event *)thing)->until);
    *place = thing->next;
    --live[kind];
    free(thing->content);
    free(thing);
    return OK;
}

static int inside(const char *start, size_t size) {  /* of one piece of the device's memory, or of mapped memory */
    for (Thing *thing = things; thing; thing = thing->next)
        if ((thing->kind == DEVICE || thing->kind == HOST) && start >= (char *)thing->content &&
            start + size <= (char *)thing->content + thing->size) return 1;
    return 0;
}

static void *allocated(int kind, size_t size) {
    Thing *thing = made(kind, sizeof(Thing), size);
    return thing->content = malloc(size);
}

/* What a test asks. */
int stub_live(const char *kind) {
    for (int i = 0; i < KINDS; ++i) if (!strcmp(kind, NAMES[i])) return live[i];
    return -1;
}
const char *stub_story(void) { return story; }

/* Start, device, context. */
Result cuInit(unsigned flags) { BEGIN("cuInit"); return flags ? INVALID : OK; }
Result cuDriverGetVersion(int *version) {
    const char *old = getenv("STUB_DRIVER");
    *version = old ? atoi(old) : 13000;
    return OK;
}
Result cuGetExportTable(const void **table, const void *which) { *table = NULL; return which ? NOT_FOUND : INVALID; }
Result cuDeviceGet(int *device, int ordinal) { BEGIN("cuDeviceGet"); *device = 0; return ordinal ? 101 : OK; }
Result cuDeviceGetCount(int *count) { *count = 1; return OK; }
Result cuDeviceGetName(char *name, int size, int device) { snprintf(name, size, "Stub %d", device); return OK; }
Result cuDeviceComputeCapability(int *major, int *minor, int device) { *major = 8, *minor = 7; return device; }
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = device ? 0 : (size_t)1 << 30; return OK; }
Result cuDeviceGetAttribute(int *value, int number, int device) {
    const char *sm = getenv("STUB_SM");
    int both = sm ? atoi(sm) : 87;
    *value = number == 75 ? both / 10 : number == 76 ? both % 10 : number == 18 ? !!getenv("STUB_INTEGRATED") : device;
    return OK;
}
Result cuDevicePrimaryCtxRetain(void **context, int device) {
    BEGIN("cuDevicePrimaryCtxRetain");
    ++live[CONTEXT];
    *context = &the_context;
    return device ? INVALID : OK;
}
Result cuDevicePrimaryCtxRelease_v2(int device) {
    BEGIN("cuDevicePrimaryCtxRelease");
    --live[CONTEXT];
    return device ? INVALID : OK;
}
Result cuCtxGetCurrent(void **context) { *context = current; return OK; }
Result cuCtxSetCurrent(void *context) { current = context; return OK; }
Result cuCtxPushCurrent_v2(void *context) { current = context; return OK; }
Result cuCtxPopCurrent_v2(void **context) {
    if (context) *context = current;
    current = NULL;
    return OK;
}
Result cuCtxGetDevice(int *device) { *device = 0; return current ? OK : NO_CONTEXT; }
Result cuGetErrorName(Result code, const char **name) {
    static char text[32];
    snprintf(text, sizeof text, "STUB_ERROR_%d", code);
    *name = text;
    return OK;
}
Result cuGetErrorString(Result code, const char **words) {
    static char text[32];
    snprintf(text, sizeof text, "stub error %d", code);
    *words = text;
    return OK;
}

/* Memory. */
Result cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    WITH_CONTEXT("cuMemGetInfo");
    *total = (size_t)1 << 30, *free_bytes = *total / 2;
    for (Thing *thing = things; thing; thing = thing->next)
        if (thing->kind == DEVICE) *free_bytes -= thing->size < *free_bytes ? thing->size : *free_bytes;
    return OK;
}
Result cuMemAlloc_v2(Address *address, size_t size) {
    WITH_CONTEXT("cuMemAlloc");
    if (!size) return INVALID;
    if (size > (size_t)1 << 30) return OUT_OF_MEMORY;
    *address = (uintptr_t)allocated(DEVICE, size);
    return OK;
}
Result cuMemFree_v2(Address address) { WITH_CONTEXT("cuMemFree"); return dropped(DEVICE, (void *)(uintptr_t)address); }
Result cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    WITH_CONTEXT("cuMemHostAlloc");
    *address = allocated(HOST, size);
    return flags > 7 ? INVALID : OK;
}
Result cuMemFreeHost(void *address) { WITH_CONTEXT("cuMemFreeHost"); return dropped(HOST, address); }
Result cuMemHostGetDevicePointer_v2(Address *there, void *address, unsigned flags) {
    WITH_CONTEXT("cuMemHostGetDevicePointer");
    *there = (uintptr_t)address;
    return flags || !*found(HOST, address) ? INVALID : OK;
}

/* Work: done at once, or late, or noted down for a graph. */
static void done(const Work *work) {
    void *arguments[16];
    switch (work->what) {
        case 'c': memcpy(work->to, work->from, work->size); break;
        case 'f': memset(work->to, work->value, work->size); break;
        case 'e': clock_gettime(CLOCK_MONOTONIC, &work->event->at); break;
        case 'w': come_past(work->of, work->until); break;
        case 'p': work->call(work->given); break;
        case 'g': for (Work *each = work->graph->first; each; each = each->next) done(each); break;
        case 'k':
            memcpy(arguments, work->kept, sizeof arguments);
            if (work->kernel) work->kernel(work->shape, work->shape + 3, arguments);
            break;
    }
}
static void append(Queue *queue, Work work) {
    if (!queue->first) queue->last = &queue->first;
    *queue->last = malloc(sizeof work);
    **queue->last = work;
    (*queue->last)->next = NULL;
    queue->last = &(*queue->last)->next;
}
static void come_past(Stream *stream, long until) {
    if (!*found(STREAM, stream)) return;
    while (stream->done < until && stream->waiting.first) {
        Work *work = stream->waiting.first;
        stream->waiting.first = work->next;
        ++stream->done;
        done(work);
        for (int i = 0; i < 16; ++i) free(work->kept[i]);
        free(work);
    }
}
static void come_past_all(void) {
    for (Thing *thing = things; thing; thing = thing->next)
        if (thing->kind == STREAM) come_past((Stream *)thing, ((Stream *)thing)->put);
}
static Result put(Stream *stream, Work work) {
    if (!*found(STREAM, stream)) return 400;
    if (stream->noting) append(&stream->noted, work);
    else append(&stream->waiting, work), ++stream->put;
    if (!stream->noting && !getenv("STUB_LAZY")) come_past(stream, stream->put);
    return OK;
}
int stub_noting(Stream *stream) { return stream->noting; }
Result stub_call(Stream *stream, void (*call)(void *), void *given) {  /* what TensorRT's stand-in puts on a stream */
    return put(stream, (Work){.what = 'p', .call = call, .given = given});
}
Result cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t size, Stream *stream) {
    WITH_CONTEXT("cuMemcpyHtoDAsync");
    if (!inside((char *)(uintptr_t)to, size)) return INVALID;
    return put(stream, (Work){.what = 'c', .to = (char *)(uintptr_t)to, .from = from, .size = size});
}
Result cuMemcpyDtoHAsync_v2(void *to, Address from, size_t size, Stream *stream) {
    WITH_CONTEXT("cuMemcpyDtoHAsync");
    if (!inside((char *)(uintptr_t)from, size)) return INVALID;
    return put(stream, (Work){.what = 'c', .to = to, .from = (char *)(uintptr_t)from, .size = size});
}
Result cuMemcpyDtoDAsync_v2(Address to, Address from, size_t size, Stream *stream) {
    WITH_CONTEXT("cuMemcpyDtoDAsync");
    if (!inside((char *)(uintptr_t)from, size) || !inside((char *)(uintptr_t)to, size)) return INVALID;
    return put(stream, (Work){.what = 'c', .to = (char *)(uintptr_t)to, .from = (char *)(uintptr_t)from, .size = size});
}
Result cuMemsetD8Async(Address to, unsigned char value, size_t size, Stream *stream) {
    WITH_CONTEXT("cuMemsetD8Async");
    if (!inside((char *)(uintptr_t)to, size)) return INVALID;
    return put(stream, (Work){.what = 'f', .to = (char *)(uintptr_t)to, .value = value, .size = size});
}

/* Streams and events. */
Result cuStreamCreate(Stream **stream, unsigned flags) {
    WITH_CONTEXT("cuStreamCreate");
    *stream = made(STREAM, sizeof(Stream), 0);
    return flags > 1 ? INVALID : OK;
}
Result cuStreamDestroy_v2(Stream *stream) { WITH_CONTEXT("cuStreamDestroy"); return dropped(STREAM, stream); }
Result cuStreamSynchronize(Stream *stream) {
    WITH_CONTEXT("cuStreamSynchronize");
    come_past(stream, stream->put);
    return lost ? lost : stream->noting ? 900 : OK;
}
Result cuStreamWaitEvent(Stream *stream, Event *event, unsigned flags) {
    WITH_CONTEXT("cuStreamWaitEvent");
    if (flags || !*found(EVENT, event)) return INVALID;
    return put(stream, (Work){.what = 'w', .of = event->of, .until = event->until});
}
Result cuEventCreate(Event **event, unsigned flags) {
    WITH_CONTEXT("cuEventCreate");
    *event = made(EVENT, sizeof(Event), 0);
    return flags ? INVALID : OK;
}
Result cuEventDestroy_v2(Event *event) { WITH_CONTEXT("cuEventDestroy"); return dropped(EVENT, event); }
Result cuEventRecord(Event *event, Stream *stream) {
    WITH_CONTEXT("cuEventRecord");
    clock_gettime(CLOCK_MONOTONIC, &event->at);
    if ((uintptr_t)stream <= 2) return event->of = NULL, OK;  /* the default streams, on which nothing ever waits here */
    event->of = stream, event->until = *found(STREAM, stream) ? stream->put + 1 : 0;
    return put(stream, (Work){.what = 'e', .event = event});
}
Result cuEventSynchronize(Event *event) {
    WITH_CONTEXT("cuEventSynchronize");
    if (!*found(EVENT, event)) return 400;
    come_past(event->of, event->until);
    return OK;
}
Result cuEventElapsedTime(float *ms, Event *start, Event *end) {
    WITH_CONTEXT("cuEventElapsedTime");
    *ms = 1e3f * (float)(end->at.tv_sec - start->at.tv_sec) + 1e-6f * (float)(end->at.tv_nsec - start->at.tv_nsec);
    return OK;
}
Result cuEventElapsedTime_v2(float *ms, Event *start, Event *end) { return cuEventElapsedTime(ms, start, end); }

/* Graphs. */
Result cuStreamBeginCapture_v2(Stream *stream, int mode) {
    WITH_CONTEXT("cuStreamBeginCapture");
    stream->noting = 1, stream->noted = (Queue){NULL, NULL};
    return mode > 2 ? INVALID : OK;
}
Result cuStreamEndCapture(Stream *stream, Graph **graph) {
    const int noting = stream->noting;
    stream->noting = 0;  /* a capture that was broken ends, too */
    WITH_CONTEXT("cuStreamEndCapture");
    if (!noting) return UNMATCHED;
    *graph = made(NOTED, sizeof(Graph), 0);
    (*graph)->first = stream->noted.first;
    return OK;
}
Result cuGraphInstantiateWithFlags(Graph **ready, Graph *noted, unsigned long long flags) {
    WITH_CONTEXT("cuGraphInstantiate");
    *ready = made(GRAPH, sizeof(Graph), 0);
    (*ready)->first = noted->first;
    return flags ? INVALID : OK;
}
Result cuGraphInstantiate(Graph **ready, Graph *noted, unsigned long long flags) {
    return cuGraphInstantiateWithFlags(ready, noted, flags);
}
Result cuGraphDestroy(Graph *noted) { WITH_CONTEXT("cuGraphDestroy"); return dropped(NOTED, noted); }
Result cuGraphExecDestroy(Graph *ready) { WITH_CONTEXT("cuGraphExecDestroy"); return dropped(GRAPH, ready); }
Result cuGraphLaunch(Graph *ready, Stream *stream) {
    WITH_CONTEXT("cuGraphLaunch");
    if (!*found(GRAPH, ready) || !*found(STREAM, stream)) return 400;
    return put(stream, (Work){.what = 'g', .graph = ready});
}

/* Modules. */
Result cuModuleLoadData(Thing **module, const void *content) {
    WITH_CONTEXT("cuModuleLoadData");
    if (memcmp(content, "\177ELF", 4)) return 200;
    *module = made(MODULE, sizeof(Thing), 0);
    return OK;
}
Result cuModuleLoadDataEx(Thing **module, const void *content, unsigned count, int *options, void **values) {
    (void)count, (void)options, (void)values;
    return cuModuleLoadData(module, content);
}
Result cuModuleUnload(Thing *module) { WITH_CONTEXT("cuModuleUnload"); return dropped(MODULE, module); }
static void *kernel_symbol(const char *kind, const char *name) {
    char symbol[128];
    const char *file = getenv("STUB_KERNELS");
    if (!kernels && file) kernels = dlopen(file, RTLD_NOW);
    snprintf(symbol, sizeof symbol, "%s_%s", kind, name);
    return kernels ? dlsym(kernels, symbol) : NULL;
}
Result cuModuleGetFunction(Function **function, Thing *module, const char *name) {
    WITH_CONTEXT("cuModuleGetFunction");
    if (!*found(MODULE, module) || !kernel_symbol("run", name)) return NOT_FOUND;
    *function = calloc(1, sizeof(Function));
    snprintf((*function)->name, sizeof (*function)->name, "%s", name);
    return OK;
}
Result cuFuncSetBlockShape(Function *function, int x, int y, int z) { return function && x > 0 && y > 0 && z > 0 ? OK : INVALID; }
Result cuLaunchKernel(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, Stream *stream, void **arguments, void **extra) {
    WITH_CONTEXT("cuLaunchKernel");
    Work work = {.what = 'k', .shape = {gx, gy, gz, bx, by, bz}};
    const int *sizes = kernel_symbol("sizes", function->name);
    if (shared || !gx || !gy || !gz || bx * by * bz > 1024) return INVALID;
    *(void **)&work.kernel = kernel_symbol("run", function->name);
    for (int i = 0, offset = 0; sizes && sizes[i]; ++i) {  /* of the arguments, negative for addresses */
        const int size = sizes[i] < 0 ? -sizes[i] : sizes[i];
        if (size == 8) offset = (offset + 7) & ~7;
        work.kept[i] = malloc(size);
        memcpy(work.kept[i], arguments ? arguments[i] : (char *)extra[1] + offset, size);
        if (sizes[i] < 0 && !inside(*(char **)work.kept[i], 1)) lost = ILLEGAL;
        offset += size;
    }
    return lost ? OK : put(stream, work);  /* as on a GPU, it comes out with the next call */
}

Result cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags, int *status) {
    char newer[128];
    (void)version, (void)flags;
    snprintf(newer, sizeof newer, "%s_v2", name);
    void *self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    *function = dlsym(self, newer);
    if (!*function) *function = dlsym(self, name);
    if (status) *status = *function ? 0 : 1;
    return *function ? OK : NOT_FOUND;
}
Result cuGetProcAddress(const char *name, void **function, int version, unsigned long long flags) {
    return cuGetProcAddress_v2(name, function, version, flags, NULL);
}

/* What pycuda links besides, so that it can be loaded. */
#define X(name) Result name(void) { return 801; }
X(cuArray3DCreate_v2) X(cuArray3DGetDescriptor_v2) X(cuArrayCreate_v2) X(cuArrayDestroy) X(cuArrayGetDescriptor_v2)
X(cuCtxAttach) X(cuCtxCreate_v4) X(cuCtxDetach) X(cuCtxDisablePeerAccess) X(cuCtxEnablePeerAccess)
X(cuCtxGetApiVersion) X(cuCtxGetCacheConfig) X(cuCtxGetLimit) X(cuCtxGetSharedMemConfig) X(cuCtxSetCacheConfig)
X(cuCtxSetLimit) X(cuCtxSetSharedMemConfig) X(cuCtxSynchronize) X(cuDeviceCanAccessPeer) X(cuDeviceGetByPCIBusId)
X(cuDeviceGetPCIBusId) X(cuEventQuery) X(cuFuncGetAttribute) X(cuFuncSetAttribute) X(cuFuncSetCacheConfig)
X(cuFuncSetSharedSize) X(cuIpcCloseMemHandle) X(cuIpcGetEventHandle) X(cuIpcGetMemHandle) X(cuIpcOpenEventHandle)
X(cuIpcOpenMemHandle_v2) X(cuLaunch) X(cuLaunchGrid) X(cuLaunchGridAsync) X(cuLinkAddData_v2) X(cuLinkAddFile_v2)
X(cuLinkComplete) X(cuLinkCreate_v2) X(cuLinkDestroy) X(cuMemAllocManaged) X(cuMemAllocPitch_v2)
X(cuMemGetAddressRange_v2) X(cuMemHostGetFlags) X(cuMemHostRegister_v2) X(cuMemHostUnregister) X(cuMemcpy2DAsync_v2)
X(cuMemcpy2DUnaligned_v2) X(cuMemcpy2D_v2) X(cuMemcpy3DAsync_v2) X(cuMemcpy3DPeer) X(cuMemcpy3DPeerAsync)
X(cuMemcpy3D_v2) X(cuMemcpyAtoA_v2) X(cuMemcpyAtoD_v2) X(cuMemcpyAtoH_v2) X(cuMemcpyDtoA_v2) X(cuMemcpyDtoD_v2)
X(cuMemcpyDtoH_v2) X(cuMemcpyHtoA_v2) X(cuMemcpyHtoD_v2) X(cuMemcpyPeer) X(cuMemcpyPeerAsync) X(cuMemsetD16Async)
X(cuMemsetD16_v2) X(cuMemsetD2D16Async) X(cuMemsetD2D16_v2) X(cuMemsetD2D32Async) X(cuMemsetD2D32_v2)
X(cuMemsetD2D8Async) X(cuMemsetD2D8_v2) X(cuMemsetD32Async) X(cuMemsetD32_v2) X(cuMemsetD8_v2) X(cuModuleGetGlobal_v2)
X(cuModuleGetSurfRef) X(cuModuleGetTexRef) X(cuModuleLoad) X(cuParamSetSize) X(cuParamSetTexRef) X(cuParamSetf)
X(cuParamSeti) X(cuParamSetv) X(cuProfilerInitialize) X(cuProfilerStart) X(cuProfilerStop) X(cuStreamAttachMemAsync)
X(cuStreamQuery) X(cuSurfRefGetArray) X(cuSurfRefSetArray) X(cuTexRefCreate) X(cuTexRefDestroy)
X(cuTexRefGetAddressMode) X(cuTexRefGetAddress_v2) X(cuTexRefGetArray) X(cuTexRefGetFilterMode) X(cuTexRefGetFlags)
X(cuTexRefGetFormat) X(cuTexRefSetAddress2D_v3) X(cuTexRefSetAddressMode) X(cuTexRefSetAddress_v2) X(cuTexRefSetArray)
X(cuTexRefSetFilterMode) X(cuTexRefSetFlags) X(cuTexRefSetFormat)
