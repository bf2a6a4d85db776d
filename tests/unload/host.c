/*
 * tests/unload/host.c: a thread that used the library ends after dlclose() let go of it.
 *
 * liburcu keeps something for each thread that used it, and frees it by a function of its own when
 * the thread ends. That function must still be there, so the library stays loaded (-z nodelete).
 *
 *     host PLUGIN, which is linked with the shared library
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static pthread_barrier_t used, unloaded;
static int failed;

static void *use(void *arg)
{
	int (*plugin_use)(void) = (int (*)(void))arg;

	failed = plugin_use();
	pthread_barrier_wait(&used);
	pthread_barrier_wait(&unloaded);
	return NULL;
}

int main(int argc, char **argv)
{
	void *plugin = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	void *plugin_use = plugin != NULL ? dlsym(plugin, "plugin_use") : NULL;
	pthread_t thread;

	if (plugin_use == NULL) {
		fprintf(stderr, "usage: host PLUGIN; %s\n",
		        argc == 2 ? dlerror() : "a plugin is wanted");
		return 2;
	}
	pthread_barrier_init(&used, NULL, 2);
	pthread_barrier_init(&unloaded, NULL, 2);
	if (pthread_create(&thread, NULL, use, plugin_use) != 0)
		return 2;
	pthread_barrier_wait(&used);
	if (dlclose(plugin) != 0 || dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != NULL) {
		fprintf(stderr, "host: the plugin is still loaded\n");
		return 1;
	}
	pthread_barrier_wait(&unloaded);
	pthread_join(thread, NULL);
	if (failed)
		fprintf(stderr, "host: the plugin received wrong items\n");
	return failed != 0;
}
