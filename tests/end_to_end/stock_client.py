#!/usr/bin/env python3
"""A gRPC client that knows nothing of Wardlink: what it may call and what comes back, the server's reflection tells it.

usage: stock_client.py HOST:PORT CA [CERT KEY] SETS

Prints the services, the vitals as they are, then follows VitalsService.Watch until SETS measurement sets have come, and
one at least of each device that has vitals. Exit code 0 when they did; 3 when the server does not let it in.
"""
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto


def message(name, *fields):
    """A message's descriptor; a field is (name, number, type, repeated, type name)."""
    described = descriptor_pb2.DescriptorProto(name=name)
    for field, number, kind, repeated, of in fields:
        described.field.add(name=field, number=number, type=kind, type_name=of or None,
                            label=FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL)
    return described


def prototype(pool, name):
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name))


def reflection_messages():
    """The part of grpc.reflection.v1alpha that we speak."""
    text, raw, nested = FIELD.TYPE_STRING, FIELD.TYPE_BYTES, FIELD.TYPE_MESSAGE
    package = ".grpc.reflection.v1alpha."
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto(name="reflection", package=package[1:-1], syntax="proto3", message_type=[
        message("Request", ("file_containing_symbol", 4, text, False, ""), ("list_services", 7, text, False, "")),
        message("Files", ("file_descriptor_proto", 1, raw, True, "")),
        message("Service", ("name", 1, text, False, "")),
        message("Services", ("service", 1, nested, True, package + "Service")),
        message("Response", ("file_descriptor_response", 4, nested, False, package + "Files"),
                ("list_services_response", 6, nested, False, package + "Services")),
    ]))
    return prototype(pool, package[1:] + "Request"), prototype(pool, package[1:] + "Response")


class Reflection:
    def __init__(self, channel):
        self.request, response = reflection_messages()
        self.ask_all = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                             request_serializer=self.request.SerializeToString,
                                             response_deserializer=response.FromString)

    def ask(self, **question):
        return next(self.ask_all(iter([self.request(**question)])))

    def services(self):
        return [each.name for each in self.ask(list_services="*").list_services_response.service]

    def pool_of(self, symbol):
        """Everything that the symbol's file needs, files that others import first."""
        files = {}
        for raw in self.ask(file_containing_symbol=symbol).file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(raw)
            files[file.name] = file
        pool, added = descriptor_pool.DescriptorPool(), set()

        def add(file):
            if file.name in added:
                return
            added.add(file.name)
            for needed in file.dependency:
                add(files[needed])
            pool.Add(file)

        for file in files.values():
            add(file)
        return pool


def caller(channel, pool, service, method):
    """The method as a function of its request's fields."""
    described = pool.FindServiceByName(service).FindMethodByName(method)
    factory = message_factory.MessageFactory(pool)
    request, response = factory.GetPrototype(described.input_type), factory.GetPrototype(described.output_type)
    streams = descriptor_pb2.MethodDescriptorProto()
    described.CopyToProto(streams)
    make = channel.unary_stream if streams.server_streaming else channel.unary_unary
    call = make(f"/{service}/{method}", request_serializer=request.SerializeToString,
                response_deserializer=response.FromString)
    return lambda **fields: call(request(**fields), timeout=120)


def main(server, authority, *rest):
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    *identity, wanted = rest
    certificate, key = [read(path) for path in identity] if identity else (None, None)
    credentials = grpc.ssl_channel_credentials(read(authority), key, certificate)
    with grpc.secure_channel(server, credentials) as channel:
        reflection = Reflection(channel)
        print("services:", *sorted(reflection.services()))
        service = "wardlink.v1.VitalsService"
        pool = reflection.pool_of(service)

        silent = set()
        for vitals in caller(channel, pool, service, "GetLatest")().vitals:
            silent.add(vitals.device)
            print("vitals:", vitals.device, *(f"{sign.sign}={sign.value:g}" for sign in vitals.signs))

        seen = set()
        stream = caller(channel, pool, service, "Watch")()
        for response in stream:
            if response.WhichOneof("event") != "measurement_set":
                continue
            measured = response.measurement_set
            key = (measured.device, measured.boot, measured.stream, measured.sequence)
            assert key not in seen, f"twice: {key}"
            seen.add(key)
            print("watched:", measured.device, measured.sequence, *(f"{r.sign}={r.value:g}" for r in measured.readings))
            silent.discard(measured.device)
            if len(seen) >= int(wanted) and not silent:
                stream.cancel()
                return 0
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except grpc.RpcError as error:
        print("refused:", error.code().name, error.details())
        sys.exit(3)
