#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct address address_v4(const void *four)
{
    struct address address = {.family = AF_INET};
    memcpy(address.bytes, four, 4);
    return address;
}

struct address address_v6(const void *sixteen, uint32_t scope)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(sixteen, mapped, sizeof mapped) == 0) return address_v4((const char *)sixteen + sizeof mapped);
    struct address address = {.family = AF_INET6, .scope = scope};
    memcpy(address.bytes, sixteen, 16);
    return address;
}

bool address_from(const struct sockaddr_storage *from, struct address *address)
{
    if (from->ss_family == AF_INET) {
        *address = address_v4(&((const struct sockaddr_in *)from)->sin_addr);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
        *address = address_v6(&six->sin6_addr, six->sin6_scope_id);
    } else {
        return false;
    }
    return true;
}

socklen_t address_to(const struct address *address, int port, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof *to);
    to->ss_family = (sa_family_t)address->family;
    if (address->family == AF_INET) {
        struct sockaddr_in *four = (struct sockaddr_in *)to;
        four->sin_port = htons((uint16_t)port);
        memcpy(&four->sin_addr, address->bytes, 4);
        return sizeof *four;
    }
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
    six->sin6_port = htons((uint16_t)port);
    six->sin6_scope_id = address->scope;
    memcpy(&six->sin6_addr, address->bytes, 16);
    return sizeof *six;
}

bool address_equal(const struct address *one, const struct address *other)
{
    return one->family == other->family && memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

bool address_loopback(const struct address *address)
{
    static const unsigned char one[16] = {[15] = 1};
    if (address->family == AF_INET) return address->bytes[0] == 127;
    return memcmp(address->bytes, one, sizeof one) == 0;
}

void address_text(const struct address *address, int port, char text[ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "?";
    inet_ntop(address->family, address->bytes, host, sizeof host);
    snprintf(text, ADDRESS_TEXT, address->family == AF_INET ? "%s:%d" : "[%s]:%d", host, port);
}
